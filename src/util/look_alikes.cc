#include "util/look_alikes.h"

#include <algorithm>
#include <array>

namespace mtpgraft {
namespace {

struct LookAlike {
  std::string_view bytes;
  std::string_view meant;
  std::string_view name;
};

constexpr auto kLookAlikes = std::to_array<LookAlike>({
    {"\u2010", "-", "a hyphen that is not the keyboard's (U+2010)"},
    {"\u2011", "-", "a non-breaking hyphen (U+2011)"},
    {"\u2012", "-", "a figure dash (U+2012)"},
    {"\u2013", "-", "an en dash (U+2013)"},
    {"\u2014", "-", "an em dash (U+2014)"},
    {"\u2015", "-", "a horizontal bar (U+2015)"},
    {"\u2212", "-", "a minus sign (U+2212)"},
    {"\ufe63", "-", "a small hyphen (U+FE63)"},
    {"\uff0d", "-", "a full-width hyphen (U+FF0D)"},
    {"\u2018", "'", "a curly quote (U+2018)"},
    {"\u2019", "'", "a curly quote (U+2019)"},
    {"\u201a", "'", "a curly quote (U+201A)"},
    {"\u201c", "\"", "a curly quote (U+201C)"},
    {"\u201d", "\"", "a curly quote (U+201D)"},
    {"\u201e", "\"", "a curly quote (U+201E)"},
    {"\u00ab", "\"", "a quote that is not the keyboard's (U+00AB)"},
    {"\u00bb", "\"", "a quote that is not the keyboard's (U+00BB)"},
    {"\u00a0", " ", "a non-breaking space (U+00A0)"},
    {"\u2007", " ", "a space that is not the keyboard's (U+2007)"},
    {"\u2009", " ", "a space that is not the keyboard's (U+2009)"},
    {"\u202f", " ", "a non-breaking space (U+202F)"},
    {"\u3000", " ", "a full-width space (U+3000)"},
    {"\u00ad", "", "an invisible soft hyphen (U+00AD)"},
    {"\u200b", "", "an invisible space (U+200B)"},
    {"\u200c", "", "an invisible character (U+200C)"},
    {"\u200d", "", "an invisible character (U+200D)"},
    {"\u200e", "", "an invisible character (U+200E)"},
    {"\u200f", "", "an invisible character (U+200F)"},
    {"\u2060", "", "an invisible character (U+2060)"},
    {"\ufeff", "", "an invisible character (U+FEFF)"},
});

}  // namespace

Retyped retype(std::string_view text) {
  Retyped retyped;
  bool begins_with_dash = false;
  for (auto rest = text; !rest.empty();) {
    const auto* found = std::ranges::find_if(
        kLookAlikes, [&](const LookAlike& look_alike) { return rest.starts_with(look_alike.bytes); });
    if (found == kLookAlikes.end()) {
      retyped.text += rest.front();
      rest.remove_prefix(1);
      continue;
    }
    begins_with_dash |= found->meant == "-" && retyped.text.find_first_not_of('-') == std::string::npos;
    retyped.text += found->meant;
    rest.remove_prefix(found->bytes.size());
    if (std::ranges::find(retyped.what, found->name) == retyped.what.end()) {
      retyped.what.push_back(found->name);
    }
  }
  if (begins_with_dash) {
    const auto word = retyped.text.substr(std::min(retyped.text.find_first_not_of('-'), retyped.text.size()));
    const bool is_letter = word.size() == 1 || word.find('=') == 1;
    retyped.text = (is_letter ? "-" : "--") + word;
  }
  return retyped;
}

}  // namespace mtpgraft
