// What somebody may have meant by a path that leads nowhere. Only looks at names; the words are hints.
#pragma once

#include <string>

#include "mtpgraft/file.h"

namespace mtpgraft {

// Of a file that was to be read: another spelling that is there, what is called nearly so, or what the folder has.
// Empty if there is nothing to say.
std::string find_meant(const std::string& path, FileSource& files);

// Of a path whose folder is missing: whether there is one that is called nearly so, or the file is here.
bool has_near_folder(const std::string& path, FileSource& files);

// Of an output whose folder is missing: another spelling whose folder is there; empty if there is none.
std::string find_meant_output(const std::string& path, FileSource& files);

// How to make the missing folder of an output.
std::string advise_folder(const std::string& path, FileSource& files);

}  // namespace mtpgraft
