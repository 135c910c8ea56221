// Layers and leaves of the trie of prefixes, as the kernels see them that work on many prefixes at
// a time.
//
// A tile is a list of prefixes of two layers, each the number first * widths + second of the
// positions of its widths. Layers 1 and 2 are computed once for all tiles; layer 3 once for each
// prefix of a tile; each further layer for every width of the layer before it:
//
//   layer   inputs                  outputs, one for all choices of the widths before the layer
//   1       1, the mini-batch       1
//   2       1                       widths
//   3       widths, some of them    prefixes of the tile
//   4       those of layer 3        prefixes * widths
//   ...
//
// Arrays of an output hold its layer for all units, since a layer does not depend on its own width;
// what is summed over units is kept at each width, so that (output, width) is one path through the
// trie: the number output * widths + width.
//
// May touch: the C++ standard library only.
#pragma once

#include <cstdint>

#include "kernels/blocked.h"

namespace trails::kernels {

// A layer's weights, and which products of them are wanted.
struct TrieLayer {
  const float *panel;               // [row_blocks][16 * column_blocks][16], kernels/blocked.h
  std::int32_t row_blocks;          // of the layer's units
  std::int32_t column_blocks;       // of its inputs
  const std::int32_t *stop_blocks;  // [widths]: where the widths of the layer before end, in blocks
  std::int32_t widths;              // 1 for layer 1, whose inputs have no choice
  // Null: a product for every width of every input, output = input * widths + width. Else [inputs]:
  // one product for each number, of the input number / widths, stopped at number % widths.
  const std::int32_t *prefixes;
  std::int64_t inputs;  // or prefixes

  std::int64_t outputs() const noexcept { return prefixes != nullptr ? inputs : inputs * widths; }
};

// Candidates of one depth that begin with the prefixes of a tile.
struct TrieLeaves {
  const std::int32_t *prefixes;  // [prefixes of the tile]; of depth 1 the positions of their width
  std::int64_t count;            // prefixes * below
  std::int64_t below;            // candidates of each prefix: widths^(layers - 2), at least 1
  std::int64_t first;            // where candidates of this depth begin among the scores
  std::int32_t layers;
  std::int32_t widths;

  // Leaf j is candidate first + prefixes[j / below] * below + j % below. Its path is j; of depth 1
  // and 2, whose layers all tiles share, it is prefixes[j].
};

}  // namespace trails::kernels
