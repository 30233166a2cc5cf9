duet_test(io_dataset SOURCES dataset_test.cpp dataset_split_test.cpp dataset_preprocess_test.cpp
          dataset_shrink_test.cpp LINKS duet_io_dataset)
