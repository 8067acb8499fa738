#include "media/ffmpeg/library.h"

#include <cstdarg>
#include <cstdio>

namespace tessera::media::ffmpeg {
namespace {

// One decoder works in one thread, so its messages reach the thread that asked: nothing is shared.
thread_local std::string last_message;

void remember(void* /*who*/, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_ERROR) return;
  char text[512];
  std::vsnprintf(text, sizeof text, format, arguments);
  last_message = text;
  while (!last_message.empty() && (last_message.back() == '\n' || last_message.back() == '.')) last_message.pop_back();
}

/// FFmpeg picks its vector code by the processor, and float decoders round differently with each. The build asks for
/// x86-64-v3 anyway, so exactly that is what FFmpeg is told to use.
void fix_instruction_set() {
#if defined(__x86_64__)
  av_force_cpu_flags(AV_CPU_FLAG_CMOV | AV_CPU_FLAG_MMX | AV_CPU_FLAG_MMXEXT | AV_CPU_FLAG_SSE | AV_CPU_FLAG_SSE2 |
                     AV_CPU_FLAG_SSE3 | AV_CPU_FLAG_SSSE3 | AV_CPU_FLAG_SSE4 | AV_CPU_FLAG_SSE42 | AV_CPU_FLAG_AVX |
                     AV_CPU_FLAG_FMA3 | AV_CPU_FLAG_AVX2 | AV_CPU_FLAG_BMI1 | AV_CPU_FLAG_BMI2);
#endif
}

}  // namespace

void initialize() {
  static const bool done = [] {
    av_log_set_callback(remember);
    fix_instruction_set();
    return true;
  }();
  static_cast<void>(done);
}

std::string message(int error) {
  if (!last_message.empty()) return last_message;
  char text[AV_ERROR_MAX_STRING_SIZE];
  av_strerror(error, text, sizeof text);
  return text;
}

bool has_message() { return !last_message.empty(); }

void forget_message() { last_message.clear(); }

}  // namespace tessera::media::ffmpeg
