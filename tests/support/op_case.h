// One case of a differentiable op: what goes in and the function; everything else is derived from it. Used by
// tests/engine. From the case alone come: forward on every backend against ref, gradient against central
// differences in double, writing into NaN, adding onto values, what wants no gradient, leaks, and equal bytes
// for any number of threads. Values depend on the case's name only, are exactly representable in f32 (those
// of data in bf16 where asked for), and so are the same for every backend and type. In bf16, data is bf16 and
// all else f32.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/autograd/backward.h"
#include "engine/autograd/var.h"
#include "engine/kernels/backend.h"

namespace duet::testing {

enum class Role { data, parameter, constant };  // data and parameter want gradients, a constant never does

enum class Values {
  normal,        // standard normal
  separated,     // distinct, at least 0.004 apart and 0.002 from 0: no kink within a finite difference
  apart,         // in (1, 1.5) or (-1.5, -1): none near 0 after a norm with positive gamma and small beta
  small,         // in (-0.1, 0.1)
  weights,       // voxel weights: in (0.5, 1.5), each fifth 0
  positive,      // in (0.5, 1.5)
  distribution,  // positive, sums to 1 over channels
  classes        // u8 indices below OpInput::classes
};

struct OpInput {
  Shape shape;
  Role role = Role::data;
  Values values = Values::normal;
  Index classes = 0;
};

using Operands = std::vector<Var>;  // one a OpInput, in order

struct OpCase {
  std::string op;    // what it counts under
  std::string name;  // of this case
  std::vector<OpInput> inputs;
  std::function<Var(Backend&, const Operands&)> run;  // a pure function of the operands
  double tolerance = 1e-5;                            // of f32, relative to the largest value
  // What finite differences look at where that is another function than run (detach): `rest` are the unmoved
  // operands.
  std::function<Var(Backend&, const Operands& moved, const Operands& rest)> frozen = nullptr;
  bool bf16_data = false;  // values of Role::data are those of bf16
};

// The values of one input.
std::vector<double> input_values(const OpCase& op_case, std::size_t input);

// Operands with a parameter for each input that is wanted (nullptr where it is not).
struct Leaves {
  Operands operands;
  std::vector<ParameterPtr> parameters;
};
using Wanted = std::function<bool(std::size_t input)>;
Leaves make_leaves(Backend& backend, const OpCase& op_case, DType dtype, const Wanted& wanted);
bool differentiable(const OpCase& op_case, std::size_t input);

// A scalar that depends on every element of y: sum of y times fixed random numbers, which bf16 can hold.
Var probe(Backend& backend, const Var& y);

// Forward, and the gradients that the probe's backward left in the parameters (empty where not wanted).
struct CaseResult {
  Tensor output;
  std::vector<Tensor> gradients;
};
enum class Prior { none, nan, values };  // what the gradients hold before; only `values` are to be added onto
CaseResult run_case(Backend& backend, const OpCase& op_case, DType dtype, const Wanted& wanted,
                    Prior prior = Prior::none);
double prior_value(std::size_t element);

// Largest |a - b| over the largest |b| (at least `floor`); infinite where a value is NaN or the shapes
// differ.
double relative_difference(const std::vector<double>& a, const std::vector<double>& b, double floor = 1e-6);
double relative_difference(const Tensor& a, const Tensor& b, double floor = 1e-6);
bool same_bytes(const Tensor& a, const Tensor& b);

// Central differences on `backend` in double: at up to `samples` elements of each input, and along one random
// direction over all elements of all inputs. Returns what differs by more than 1e-6 of the largest gradient,
// or "".
std::string check_gradient(Backend& backend, const OpCase& op_case, std::size_t samples);

}  // namespace duet::testing
