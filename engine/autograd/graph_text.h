// The graph behind some outputs, for people: one line a node, or Graphviz (`dot -Tsvg`).
#pragma once

#include <span>
#include <string>

#include "engine/autograd/var.h"

namespace duet {

// Lines "#3 conv3d (2,8,8,8,4) <- #2, enc.0.0.weight", inputs before users, numbered from 1.
std::string graph_to_text(std::span<const Var> outputs);
std::string graph_to_dot(std::span<const Var> outputs);

}  // namespace duet
