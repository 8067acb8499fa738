#include "tokenizer/pattern.h"

#include "codec/checkpoint/json.h"
#include "kernels/error.h"

#ifdef TESSERA_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#endif

namespace tessera::detail {

#ifdef TESSERA_PCRE2

namespace {

constexpr std::size_t kStackBytes = std::size_t{32} << 10;
constexpr std::size_t kMaxStackBytes = std::size_t{8} << 20;

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

}  // namespace

struct PatternScratch::Impl {
  Impl()
      : match(pcre2_match_data_create(1, nullptr)),
        context(pcre2_match_context_create(nullptr)),
        stack(pcre2_jit_stack_create(kStackBytes, kMaxStackBytes, nullptr)) {
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~Impl() {
    pcre2_match_data_free(match);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  pcre2_match_data* match;
  pcre2_match_context* context;
  pcre2_jit_stack* stack;
};

struct Pattern::Impl {
  Impl(std::string_view regex, const std::string& where) {
    const std::string text = pcre2_syntax(regex, where);
    int error = 0;
    std::size_t offset = 0;
    // Ruby's syntax, which the reference uses: ^ and $ match at every line.
    constexpr std::uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NO_UTF_CHECK;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), options, &error, &offset, nullptr);
    if (code == nullptr) throw CheckpointError(where + ": pattern " + quote(regex) + ": " + message_of(error));
    compiled = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
  }
  ~Impl() { pcre2_code_free(code); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  pcre2_code* code = nullptr;
  bool compiled = false;
};

bool Pattern::find(std::string_view text, std::size_t from, Span& match, PatternScratch& scratch) const {
  const PatternScratch::Impl& work = *scratch.impl_;
  const auto run = impl_->compiled ? pcre2_jit_match : pcre2_match;
  const int found = run(impl_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, PCRE2_NO_UTF_CHECK,
                        work.match, work.context);
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found < 0) throw InputError("split_limit", "the text cannot be split into words: " + message_of(found));
  const std::size_t* span = pcre2_get_ovector_pointer(work.match);
  match = {span[0], span[1]};
  return true;
}

#else

struct PatternScratch::Impl {};

struct Pattern::Impl {
  Impl(std::string_view /*regex*/, const std::string& where) {
    throw CheckpointError(where +
                          ": this build has no PCRE2 for split patterns. On Debian: apt-get install libpcre2-dev, then "
                          "configure and build again");
  }
};

bool Pattern::find(std::string_view, std::size_t, Span&, PatternScratch&) const { return false; }

#endif

PatternScratch::PatternScratch() : impl_(std::make_unique<Impl>()) {}
PatternScratch::~PatternScratch() = default;
PatternScratch::PatternScratch(PatternScratch&&) noexcept = default;
PatternScratch& PatternScratch::operator=(PatternScratch&&) noexcept = default;

Pattern::Pattern(std::string_view regex, const std::string& where) : impl_(std::make_unique<Impl>(regex, where)) {}
Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

}  // namespace tessera::detail
