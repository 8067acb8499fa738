// The elementwise end of an LSTM step, one thread a unit.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

struct LstmCellOne {
  LstmCellJob job;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t unit) const {
    using L = scalar::Lanes;
    const float* gates = job.gates.data + row * job.gates.row_step;
    const float input = scalar::sigmoid<L>(gates[LstmCellJob::column(0, unit)]);
    const float forget = scalar::sigmoid<L>(gates[LstmCellJob::column(1, unit)]);
    const float fresh = scalar::tanh<L>(gates[LstmCellJob::column(2, unit)]);
    const float output = scalar::sigmoid<L>(gates[LstmCellJob::column(3, unit)]);
    float& cell = job.cell.data[row * job.cell.row_step + unit];
    const float kept = forget * cell;
    const float added = input * fresh;
    cell = kept + added;
    job.out.data[row * job.out.row_step + unit] = output * scalar::tanh<L>(cell);
  }
};

}  // namespace

void lstm_cell(const LstmCellJob& job) { launch_each(job.out.rows, job.out.columns, LstmCellOne{job}); }

}  // namespace tessera::cuda
