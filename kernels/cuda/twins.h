#pragma once

// Launchers of the CUDA kernels, one an operation. Arguments are checked and pointers lie on the device.

#include "kernels/activation.h"
#include "kernels/attention_job.h"
#include "kernels/conv.h"
#include "kernels/conv2d_job.h"
#include "kernels/cuda/runtime.h"
#include "kernels/depthwise.h"
#include "kernels/elementwise_job.h"
#include "kernels/embedding_job.h"
#include "kernels/expert_job.h"
#include "kernels/lstm_job.h"
#include "kernels/norm_job.h"
#include "kernels/product_plan.h"
#include "kernels/rotary_job.h"
#include "kernels/routing_job.h"
#include "kernels/scalar_codes_job.h"

namespace tessera::cuda {

TESSERA_CUDA_TWIN void activate(Activation f, ConstMatrix input, Matrix out);
TESSERA_CUDA_TWIN void snake(ConstMatrix x, const float* alpha, const float* reciprocal, Matrix out);
TESSERA_CUDA_TWIN void product(const ProductJob& job);
TESSERA_CUDA_TWIN void expert_product(const ExpertProductJob& job);
TESSERA_CUDA_TWIN void expert_identity(const ExpertIdentityJob& job);
TESSERA_CUDA_TWIN void choose_experts(const RoutingJob& job);
TESSERA_CUDA_TWIN void lstm_cell(const LstmCellJob& job);
TESSERA_CUDA_TWIN void pad_frames(ConstMatrix input, std::int64_t left, PadMode mode, Matrix out);
TESSERA_CUDA_TWIN void frame_picture(const FrameJob& job);
TESSERA_CUDA_TWIN void depthwise(const DepthwiseJob& job);
TESSERA_CUDA_TWIN void argmax_rows(ConstMatrix x, std::int32_t* index);
TESSERA_CUDA_TWIN void finite_scalar_codes(const FiniteScalarJob& job);
TESSERA_CUDA_TWIN void sign_codes(const SignJob& job);
TESSERA_CUDA_TWIN void subtract_entries(ConstMatrix entries, const std::int32_t* codes, Matrix x);
TESSERA_CUDA_TWIN void magnitude(ConstMatrix spectrum, Matrix out);
TESSERA_CUDA_TWIN void log_clamped(ConstMatrix x, float floor, Matrix out);
TESSERA_CUDA_TWIN void spectrum_from_polar(ConstMatrix x, float most, Matrix out);
TESSERA_CUDA_TWIN void layer_norm(const NormJob& job);
TESSERA_CUDA_TWIN void rms_norm(const NormJob& job);
TESSERA_CUDA_TWIN void group_moments(const GroupMomentsJob& job);
TESSERA_CUDA_TWIN void group_norm(const NormJob& job, const float* moments);
TESSERA_CUDA_TWIN void l2_normalize(ConstMatrix x, float epsilon, Matrix out);
TESSERA_CUDA_TWIN void rotary(const RotaryJob& job);
TESSERA_CUDA_TWIN void append(const AppendJob& job);
TESSERA_CUDA_TWIN void attend(const AttentionJob& job);
TESSERA_CUDA_TWIN void embedding(ConstMatrix table, const std::int32_t* ids, Matrix out);
TESSERA_CUDA_TWIN void embedding(const NarrowTableJob& job);
TESSERA_CUDA_TWIN void embedding_sum(ConstMatrix table, const std::int32_t* ids, Matrix out);
TESSERA_CUDA_TWIN void embedding_weighted_sum(const WeightedSumJob& job);
TESSERA_CUDA_TWIN void elementwise(const ElementwiseJob& job);
TESSERA_CUDA_TWIN void mean_frames(const FramesJob& job);
TESSERA_CUDA_TWIN void repeat_frames(const FramesJob& job);
TESSERA_CUDA_TWIN void softmax(ConstMatrix input, Matrix out);

}  // namespace tessera::cuda
