// Finds what somebody meant by a mistyped name. Called by config, and by whoever looks up names given by
// people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace duet {

// Edits (insert, delete, replace, swap of neighbours) that turn one name into the other.
int edit_distance(std::string_view a, std::string_view b);

// The known name nearest to `name`, or "" where none is near (more than a third of it would have to change).
// A dotted name whose last part is known counts as near: "iterations" finds "training.iterations".
std::string nearest_name(std::string_view name, const std::vector<std::string>& known);

}  // namespace duet
