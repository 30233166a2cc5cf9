duet_test(ref_kernels SOURCES ref_norm.cpp ref_pointwise.cpp ref_loss.cpp ref_numbers.cpp LINKS duet_backend_ref)
