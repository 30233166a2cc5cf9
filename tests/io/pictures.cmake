find_package(PNG REQUIRED)
duet_test(io_pictures SOURCES pictures_test.cpp LINKS duet_io_pictures PNG::PNG)
