// Codes of quantizers without a search, one thread a row.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

template <class Job>
struct CodeOfRow {
  Job job;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t) const { job.run(row); }
};

}  // namespace

void finite_scalar_codes(const FiniteScalarJob& job) { launch_each(job.x.rows, 1, CodeOfRow<FiniteScalarJob>{job}); }

void sign_codes(const SignJob& job) { launch_each(job.x.rows, 1, CodeOfRow<SignJob>{job}); }

}  // namespace tessera::cuda
