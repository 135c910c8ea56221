// How fast the core multiplies and adds when nothing is loaded: the bound of every matrix kernel.
//
// May touch: Google Highway.
#pragma once

namespace trails::bench {

// Multiply-adds of float vectors in registers, GFLOP/s (2 a multiply-add), over `seconds` on the
// calling thread, in the vector width that Highway chooses at the moment.
double FmaPeak(double seconds);

}  // namespace trails::bench
