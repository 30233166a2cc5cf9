# The reference kernels by hand-computed cases: convolution, region, optimiser, sampling.
duet_test(ref_kernels_more
          SOURCES ref_conv.cpp ref_region.cpp ref_optimiser.cpp ref_sampling.cpp
          LINKS duet_backend_ref)
