// Values of keys that stand in files, such as chat templates.
#pragma once

#include <memory>
#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/key_edits.h"

namespace mtpgraft {

// Gives each edit that names a file the text in it as its value. Returns the files, open. Fails with kIo if one cannot
// be read, with kMalformed if it is no text.
Result<std::vector<std::shared_ptr<const ReadableFile>>> read_texts(std::vector<KeyEdit>& edits, FileSource& files);

}  // namespace mtpgraft
