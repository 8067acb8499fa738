#include <sndfile.h>

#include <algorithm>
#include <exception>

#include "media/decoder.h"
#include "media/fault.h"

namespace tessera::media {
namespace {

constexpr std::int64_t kDecodedFrames = 4096;  // frames

struct Name {
  int format;
  const char* name;
};

constexpr Name kContainers[] = {
    {SF_FORMAT_WAV, "wav"}, {SF_FORMAT_WAVEX, "wav"}, {SF_FORMAT_RF64, "wav"},    {SF_FORMAT_AIFF, "aiff"},
    {SF_FORMAT_AU, "au"},   {SF_FORMAT_W64, "w64"},   {SF_FORMAT_CAF, "caf"},     {SF_FORMAT_FLAC, "flac"},
    {SF_FORMAT_OGG, "ogg"}, {SF_FORMAT_NIST, "nist"}, {SF_FORMAT_VOC, "voc"},     {SF_FORMAT_IRCAM, "ircam"},
    {SF_FORMAT_SVX, "svx"}, {SF_FORMAT_MAT4, "mat4"}, {SF_FORMAT_MAT5, "mat5"},   {SF_FORMAT_PVF, "pvf"},
    {SF_FORMAT_HTK, "htk"}, {SF_FORMAT_AVR, "avr"},   {SF_FORMAT_MPC2K, "mpc2k"}, {SF_FORMAT_SDS, "sds"},
};
constexpr Name kCodecs[] = {
    {SF_FORMAT_PCM_S8, "pcm_s8"},       {SF_FORMAT_PCM_U8, "pcm_u8"},     {SF_FORMAT_PCM_16, "pcm_s16"},
    {SF_FORMAT_PCM_24, "pcm_s24"},      {SF_FORMAT_PCM_32, "pcm_s32"},    {SF_FORMAT_FLOAT, "pcm_f32"},
    {SF_FORMAT_DOUBLE, "pcm_f64"},      {SF_FORMAT_ULAW, "ulaw"},         {SF_FORMAT_ALAW, "alaw"},
    {SF_FORMAT_IMA_ADPCM, "adpcm_ima"}, {SF_FORMAT_MS_ADPCM, "adpcm_ms"}, {SF_FORMAT_GSM610, "gsm"},
    {SF_FORMAT_VORBIS, "vorbis"},       {SF_FORMAT_OPUS, "opus"},         {SF_FORMAT_ALAC_16, "alac"},
    {SF_FORMAT_ALAC_20, "alac"},        {SF_FORMAT_ALAC_24, "alac"},      {SF_FORMAT_ALAC_32, "alac"},
};
constexpr Name kTags[] = {
    {SF_STR_TITLE, "title"}, {SF_STR_ARTIST, "artist"},   {SF_STR_ALBUM, "album"},
    {SF_STR_DATE, "date"},   {SF_STR_COMMENT, "comment"}, {SF_STR_GENRE, "genre"},
};

template <std::size_t N>
const char* find_name(const Name (&names)[N], int format) {
  const auto* found = std::find_if(names, names + N, [format](const Name& name) { return name.format == format; });
  return found == names + N ? "sndfile" : found->name;
}

/// What libsndfile reads through; an exception of the source waits here until the C code has returned.
struct Stream {
  Source& source;
  std::exception_ptr error;

  void rethrow() {
    if (error) std::rethrow_exception(std::exchange(error, nullptr));
  }
};

sf_count_t stream_size(void* user) { return static_cast<Stream*>(user)->source.size(); }
sf_count_t stream_tell(void* user) { return static_cast<Stream*>(user)->source.position(); }

sf_count_t stream_seek(sf_count_t offset, int whence, void* user) {
  Source& source = static_cast<Stream*>(user)->source;
  const std::int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? source.position() : source.size();
  const std::int64_t target = base + offset;
  if (target < 0) return -1;
  source.seek(target);
  return target;
}

sf_count_t stream_read(void* out, sf_count_t bytes, void* user) {
  auto* stream = static_cast<Stream*>(user);
  try {
    return static_cast<sf_count_t>(stream->source.read(out, static_cast<std::size_t>(bytes)));
  } catch (...) {
    stream->error = std::current_exception();
    return 0;
  }
}

SF_VIRTUAL_IO kStream = {stream_size, stream_seek, stream_read, nullptr, stream_tell};

struct Close {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using File = std::unique_ptr<SNDFILE, Close>;

class SndfileDecoder final : public Decoder {
 public:
  SndfileDecoder(std::unique_ptr<Source> source, bool allow_truncated)
      : Decoder(std::move(source), allow_truncated), stream_{*source_, nullptr} {
    SF_INFO header{};
    file_.reset(sf_open_virtual(&kStream, SFM_READ, &header, &stream_));
    stream_.rethrow();
    if (file_ && is_mpeg(header.format)) file_.reset();  // would hide what is missing
    if (file_) describe(header);
  }

  [[nodiscard]] bool is_open() const { return file_ != nullptr; }
  std::unique_ptr<Source> take_source() {
    file_.reset();
    return std::move(source_);
  }

  /// In small blocks, so that a fault is found near its place.
  std::int64_t read(std::int64_t frames, float* out) override {
    frames = std::min(frames, kDecodedFrames);
    const std::int64_t got = sf_readf_float(file_.get(), out, frames);
    stream_.rethrow();
    position_ += got;
    if (sf_error(file_.get()) != SF_ERR_NO_ERROR) {
      judge_fault(got);
    } else if (got < frames && position_ < info_.samples) {
      too_short();
    }
    return got;
  }

  /// Only where decoding does not depend on what came before.
  std::int64_t skip(std::int64_t frames) override {
    if (!exact_seek_ || info_.samples < 0) return 0;
    frames = std::min(frames, info_.samples);
    if (sf_seek(file_.get(), frames, SEEK_SET) == frames) return position_ = frames;
    stream_.rethrow();
    if (sf_seek(file_.get(), 0, SEEK_SET) != 0) fail(name(), "corrupt_media", "cannot go to the start");
    return position_ = 0;
  }

 private:
  static bool is_mpeg(int format) { return (format & SF_FORMAT_TYPEMASK) == SF_FORMAT_MPEG; }

  void describe(const SF_INFO& header) {
    const int container = header.format & SF_FORMAT_TYPEMASK;
    const int codec = header.format & SF_FORMAT_SUBMASK;
    info_.container = find_name(kContainers, container);
    info_.codec = container == SF_FORMAT_FLAC ? "flac" : find_name(kCodecs, codec);
    info_.sample_rate = header.samplerate;
    info_.channels = header.channels;
    info_.samples = header.frames == SF_COUNT_MAX ? -1 : header.frames;
    if (info_.samples >= 0) info_.seconds = static_cast<double>(info_.samples) / info_.sample_rate;
    exact_seek_ = container == SF_FORMAT_FLAC || (codec >= SF_FORMAT_PCM_S8 && codec <= SF_FORMAT_ALAW);
    for (const Name& tag : kTags) {
      if (const char* text = sf_get_string(file_.get(), tag.format)) info_.tags.emplace_back(tag.name, text);
    }
  }

  /// libsndfile goes on behind a damaged FLAC frame with whatever it has: what comes to nothing was cut.
  void judge_fault(std::int64_t got) {
    std::vector<float> next(static_cast<std::size_t>(info_.channels));
    const bool more = source_->position() < source_->size() || sf_readf_float(file_.get(), next.data(), 1) > 0;
    if (more || (info_.samples >= 0 && position_ >= info_.samples)) {
      fail(name(), "corrupt_media",
           "damaged " + info_.codec + " data near " + seconds_text(position_ - got, info_.sample_rate));
    }
    too_short();
  }

  void too_short() { truncated("truncated: " + ends_early(position_, info_.samples, info_.sample_rate)); }

  Stream stream_;
  File file_;
  bool exact_seek_ = false;
  std::int64_t position_ = 0;
};

}  // namespace

std::unique_ptr<Decoder> open_sndfile(std::unique_ptr<Source>& source, bool allow_truncated) {
  auto decoder = std::make_unique<SndfileDecoder>(std::move(source), allow_truncated);
  if (!decoder->is_open()) {
    source = decoder->take_source();
    source->seek(0);
    return nullptr;
  }
  return decoder;
}

}  // namespace tessera::media
