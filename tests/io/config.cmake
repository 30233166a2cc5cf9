duet_test(io_config SOURCES config_test.cpp LINKS duet_io_config)
