if(DUET_ONEDNN)
  duet_test(onednn_conv SOURCES onednn_conv.cpp LINKS duet_backend_onednn)
  set_tests_properties(onednn_conv PROPERTIES ENVIRONMENT "OMP_WAIT_POLICY=passive")
endif()
