find_package(ZLIB REQUIRED)
find_package(nlohmann_json REQUIRED)
duet_test(io_nifti SOURCES nifti_cases.cpp nifti_roundtrip.cpp nifti_hostile.cpp nifti_geometry.cpp nifti_write_errors.cpp
          LINKS duet_io_nifti nlohmann_json::nlohmann_json ZLIB::ZLIB)
