// Merge rules over the two tasks' lanes as coefficients: gradient = supervised * lane + unsupervised * lane.
// Plain numbers, called by lanes.cpp, which measures the lanes and combines them. Rules after Yu et al.,
// "Gradient Surgery for Multi-Task Learning", NeurIPS 2020 (project) and Chen et al., "GradNorm", ICML 2018
// (balance).
#pragma once

#include "cotrain/config/run_config.h"

namespace duet {

// Exponential mean of what was measured so far, without the pull to 0 of the first steps (Adam's correction):
// after n values the mean weighs the k-th last one by decay^k (1 - decay) / (1 - decay^n).
struct RunningMean {
  double mean = 0;
  Index count = 0;
};
void measure(RunningMean& running, double value, double decay);

// Running norms of a network's lanes, of the unsupervised one before lambda: what `balance` remembers.
struct LaneBalance {
  RunningMean supervised, unsupervised;
};

// Of all lanes of a network taken as one vector a task; 0 for a task that the step leaves out.
struct LaneProducts {
  double inner = 0, supervised = 0, unsupervised = 0;  // <s, u>, <s, s>, <u, u>
};

struct LaneCoefficients {
  double supervised = 1, unsupervised = 1;
};

// sum: 1 and 1. project: where <s, u> < 0 each lane loses its component along the other as it was.
// balance: s + lambda u0 mean|s| / mean|u0|, u0 = u / lambda, both means with this step's norms. A norm of
// nothing (below 1e-12, or lambda 0) tells no scale: it is not measured, so a silent step neither shrinks a
// mean nor makes a divisor of 0; while either mean has no measurement, the lane stays as it is.
LaneCoefficients merge_coefficients(const MethodConfig& config, const LaneProducts& products, double lambda,
                                    LaneBalance& balance);

}  // namespace duet
