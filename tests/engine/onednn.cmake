if(DUET_ONEDNN)
  duet_test(onednn_conv SOURCES onednn_conv.cpp LINKS duet_backend_onednn)
  # The room's own loops.
  duet_test(onednn_loops SOURCES onednn_deep.cpp onednn_norm.cpp onednn_one_channel.cpp onednn_pool.cpp onednn_rows.cpp onednn_thin.cpp onednn_touching.cpp onednn_vectors.cpp onednn_winograd.cpp LINKS duet_op_cases duet_tested_backends duet_backend_onednn)
  set_tests_properties(onednn_conv onednn_loops PROPERTIES ENVIRONMENT "OMP_WAIT_POLICY=passive")
endif()
