#include "codec/audio/chunked_codec.h"

namespace tessera {

std::unique_ptr<EncodeStream> ChunkedCodec::encode_stream(Context& context, int levels) const {
  const int count = checked_levels(info_, levels);
  return std::make_unique<ChunkedEncodeStream>(context, start_encoder(context, count), info_, count, pad_to_,
                                               chunk_frames_);
}

std::unique_ptr<DecodeStream> ChunkedCodec::decode_stream(Context& context) const {
  return std::make_unique<ChunkedDecodeStream>(context, start_decoder(context), info_, chunk_frames_);
}

void ChunkedCodec::describe_levels(int levels, std::int64_t size) {
  info_.levels = levels;
  info_.codebook_sizes.assign(static_cast<std::size_t>(levels), static_cast<int>(size));
}

Tensor upload_samples(Context& context, std::span<const float> samples, std::int64_t channels) {
  Tensor input = context.scratch({static_cast<std::int64_t>(samples.size()) / channels, channels});
  context.upload(samples.data(), input.bytes(), samples.size_bytes());
  return input;
}

std::vector<float> download_samples(Context& context, const Tensor& wave) {
  std::vector<float> samples(static_cast<std::size_t>(wave.size()));
  context.download(wave.bytes(), samples.data(), samples.size() * sizeof(float));
  return samples;
}

std::vector<Codebook> load_codebooks(Context& context, Checkpoint& checkpoint,
                                     const std::function<std::string(int)>& name, const std::vector<int>& sizes,
                                     std::int64_t width) {
  std::vector<Codebook> codebooks;
  for (const int size : sizes) {
    const auto entries = checkpoint.floats(name(static_cast<int>(codebooks.size())), {size, width});
    codebooks.push_back(pack_codebook(context, {entries.data(), size, width}));
  }
  return codebooks;
}

void ignore_training_state(Checkpoint& checkpoint) {
  for (const char* unused : {"codebook.embed_avg", "codebook.cluster_size", "codebook.inited", "codebook.initialized",
                             "istft.window", ".rel_pos.inv_freq"}) {
    checkpoint.ignore_suffix(unused);
  }
}

}  // namespace tessera
