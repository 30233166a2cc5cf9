#include "engine/autograd/graph_text.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "engine/autograd/node.h"

namespace duet {
namespace {

struct Listing {
  std::vector<const Node*> nodes;  // inputs before users
  std::map<const Node*, std::size_t> number;
};

Listing list_nodes(std::span<const Var> outputs) {
  Listing listing;
  std::set<const Node*> seen;
  auto visit = [&](const Node* node) {
    if (node && seen.insert(node).second) listing.nodes.push_back(node);
  };
  for (const Var& output : outputs) visit(output.node().get());
  for (std::size_t i = 0; i < listing.nodes.size(); ++i) {  // NOLINT(modernize-loop-convert): it grows
    for (const Edge& edge : listing.nodes[i]->inputs) visit(edge.node.get());
  }
  std::sort(listing.nodes.begin(), listing.nodes.end(),
            [](const Node* a, const Node* b) { return a->sequence < b->sequence; });
  for (const Node* node : listing.nodes) listing.number[node] = listing.number.size() + 1;
  return listing;
}

}  // namespace

std::string graph_to_text(std::span<const Var> outputs) {
  const Listing listing = list_nodes(outputs);
  std::ostringstream out;
  for (const Node* node : listing.nodes) {
    out << '#' << listing.number.at(node) << ' ' << node->op << ' ' << node->shape;
    const char* separator = " <- ";
    for (const Edge& edge : node->inputs) {
      if (!edge.present) continue;
      if (edge.node) {
        out << separator << '#' << listing.number.at(edge.node.get());
      } else if (edge.parameter) {
        out << separator << edge.parameter->name;
      } else {
        out << separator << "constant " << edge.shape;
      }
      separator = ", ";
    }
    out << '\n';
  }
  return out.str();
}

std::string graph_to_dot(std::span<const Var> outputs) {
  const Listing listing = list_nodes(outputs);
  std::ostringstream out;
  out << "digraph duet {\n  rankdir=BT;\n  node [shape=box, fontname=\"monospace\"];\n";
  std::set<const Parameter*> parameters;
  for (const Node* node : listing.nodes) {
    out << "  n" << listing.number.at(node) << " [label=\"" << node->op << "\\n" << node->shape << "\"];\n";
    for (const Edge& edge : node->inputs) {
      if (edge.node) {
        out << "  n" << listing.number.at(edge.node.get()) << " -> n" << listing.number.at(node) << ";\n";
      } else if (edge.parameter) {
        if (parameters.insert(edge.parameter.get()).second) {
          out << "  \"" << edge.parameter->name << "\" [shape=ellipse];\n";
        }
        out << "  \"" << edge.parameter->name << "\" -> n" << listing.number.at(node) << ";\n";
      }
    }
  }
  out << "}\n";
  return out.str();
}

}  // namespace duet
