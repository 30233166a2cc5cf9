# Ops and autograd on every backend of the build.
add_library(duet_op_cases STATIC
  ops_cases_conv.cpp ops_cases_norm.cpp ops_cases_pointwise.cpp ops_cases_region.cpp ops_cases_loss.cpp
  ops_cases_fused.cpp ../support/op_case.cpp)
target_link_libraries(duet_op_cases PUBLIC duet_options duet_ops duet_backend)
duet_test(engine_ops
  SOURCES ops_table.cpp ops_dropout.cpp ops_errors.cpp ops_norm_modes.cpp
  LINKS duet_op_cases duet_tested_backends)
duet_test(engine_ops_bf16 SOURCES ops_bf16.cpp LINKS duet_op_cases duet_tested_backends)
duet_test(engine_autograd
  SOURCES autograd_net.cpp autograd_joint.cpp autograd_lanes.cpp autograd_graph.cpp autograd_between.cpp
          autograd_shared.cpp autograd_recipes.cpp
  LINKS duet_op_cases duet_tested_backends)
# Small cases on many threads: waiting threads should not spin.
set_tests_properties(engine_ops engine_ops_bf16 engine_autograd
                     PROPERTIES ENVIRONMENT "OMP_WAIT_POLICY=passive")
