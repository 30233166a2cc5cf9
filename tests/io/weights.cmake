duet_test(io_weights SOURCES weights_test.cpp weights_fuzz_test.cpp shards_test.cpp LINKS duet_io_weights)
