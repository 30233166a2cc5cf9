# Ops and autograd on every backend of the build.
duet_test(engine_ops
  SOURCES ops_table.cpp ops_cases_conv.cpp ops_cases_norm.cpp ops_cases_pointwise.cpp ops_cases_region.cpp
          ops_cases_loss.cpp ops_dropout.cpp ops_errors.cpp ops_norm_modes.cpp ../support/op_case.cpp
  LINKS duet_ops duet_backend)
duet_test(engine_autograd
  SOURCES autograd_net.cpp autograd_joint.cpp autograd_lanes.cpp autograd_graph.cpp ../support/op_case.cpp
  LINKS duet_ops duet_backend)
# Small cases on many threads: waiting threads should not spin.
set_tests_properties(engine_ops engine_autograd PROPERTIES ENVIRONMENT "OMP_WAIT_POLICY=passive")
