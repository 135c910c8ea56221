#include "core/card/member_state.h"

#include <array>
#include <cstddef>

namespace trails {

namespace {

// `inside` is padded, `outside` is not.
void AppendMatrix(Move move, float *inside, std::int64_t inside_stride, float *outside,
                  std::int64_t rows, std::int64_t columns,
                  std::vector<kernels::BlockCopy> *copies) {
  kernels::BlockCopy copy{.from = inside,
                          .to = outside,
                          .rows = rows,
                          .columns = columns,
                          .from_stride = inside_stride,
                          .to_stride = columns};
  if (inside_stride == columns) {  // one long row, which is cut evenly
    copy.columns = rows * columns;
    copy.rows = 1;
  }
  if (move == Move::kIntoGroup) {
    copy.from = outside;
    copy.to = inside;
    std::swap(copy.from_stride, copy.to_stride);
  }
  kernels::AppendBlockCopies(copy, copies);
}

}  // namespace

MemberState MemberState::Of(const GroupShape &shape, const HiddenWidths &widths) {
  MemberState state;
  state.widths = widths;
  state.sections = SectionsOf(1, shape.table_rows, std::int64_t{shape.fields} * kEmbeddingWidth,
                              widths, shape.outputs);
  for (const std::int32_t width : widths) state.units += width;
  return state;
}

void AppendMoves(Move move, const GroupShape &shape, const GroupArrays &arrays,
                 std::int32_t position, const MemberState &state, float *numbers,
                 std::vector<kernels::BlockCopy> *copies) {
  const std::vector<Section> inside = shape.Sections().All();
  const std::vector<Section> outside = state.sections.All();
  const kernels::CohortParameters &parameters = arrays.parameters;
  const std::array<float *, MemberState::kArrays> flat = {
      parameters.values, parameters.first_moments, parameters.second_moments, parameters.averages};
  for (std::size_t a = 0; a < flat.size(); ++a) {
    float *const array = numbers + static_cast<std::int64_t>(a) * state.sections.count;
    for (std::size_t s = 0; s < inside.size(); ++s) {
      AppendMatrix(move, flat[a] + inside[s].offset + position * inside[s].numbers(),
                   inside[s].columns, array + outside[s].offset, outside[s].rows,
                   outside[s].columns, copies);
    }
  }
  std::int64_t unit = 0;
  for (std::size_t l = 0; l < state.widths.size(); ++l) {
    const kernels::CohortMoments &moments = arrays.layers[l].moments;
    const std::int64_t first = std::int64_t{position} * shape.padded[l];
    const std::int64_t width = state.widths[l];
    AppendMatrix(move, moments.average_mean + first, width, numbers + state.means() + unit, 1,
                 width, copies);
    AppendMatrix(move, moments.average_var + first, width, numbers + state.variances() + unit, 1,
                 width, copies);
    unit += width;
  }
}

}  // namespace trails
