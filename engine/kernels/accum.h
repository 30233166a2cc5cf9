// How a kernel stores a gradient: over whatever is there (which may be garbage, NaN included), or added onto
// it.
#pragma once

namespace duet {

enum class Accum { write, add };

}  // namespace duet
