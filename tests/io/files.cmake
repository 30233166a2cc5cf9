duet_test(io_files SOURCES files_test.cpp json_tree_test.cpp LINKS duet_io_files)
