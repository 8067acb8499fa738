#pragma once

#include <string>

#include "cli/codes_record.h"

namespace tessera::cli {

/// Throws InputError("bad_codes" or "wrong_codec") that names what the record says and what the checkpoint is.
/// `where` begins the message.
void check_record(const CodesRecord& record, const AudioCodecInfo& codec, const std::string& where);
void check_ids(const Codes& codes, const AudioCodecInfo& codec, const std::string& where);

}  // namespace tessera::cli
