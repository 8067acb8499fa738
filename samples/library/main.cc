// A tone to ids and back: round_trip CHECKPOINT
#include <cmath>
#include <cstdio>

#include "codec/codec.h"

int main(int, char** arguments) {
  tessera::Context context;
  const auto codec = tessera::load_audio_codec(context, arguments[1]);
  std::vector<float> tone(static_cast<std::size_t>(codec->info().sample_rate));
  for (std::size_t i = 0; i < tone.size(); ++i) tone[i] = 0.3F * std::sin(0.05F * static_cast<float>(i));
  const tessera::Codes codes = tessera::encode(*codec, context, tone);
  std::printf("%zu samples, %zu levels of %ld ids, %zu samples back\n", tone.size(), codes.rows.size(),
              static_cast<long>(codes.frames()), tessera::decode(*codec, context, codes).size());
}
