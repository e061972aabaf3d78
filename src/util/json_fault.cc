#include "util/json_fault.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "util/look_alikes.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::optional<JsonFault> scan() {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    at_ = text_.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
    if (text_.starts_with("\xFF\xFE") || text_.starts_with("\xFE\xFF")) {
      return fault("it is UTF-16", "save it as UTF-8");
    }
    while (!fault_) {
      at_ = std::min(text_.find_first_not_of(kSpace, at_), text_.size());
      if (at_ == text_.size()) {
        return open_.empty() ? std::nullopt
                             : fault(fmt::format("it ends before the '{}' of {} is closed", text_[open_.back()],
                                                 text_position(text_, open_.back())),
                                     "something is missing at the end");
      }
      if (!fault_at_character()) {
        step(text_[at_]);
      }
    }
    return fault_;
  }

 private:
  enum class Next { kValue, kFirstValue, kKey, kFirstKey, kColon, kComma, kEnd };

  std::optional<JsonFault> fault(std::string what, std::string hint) {
    fault_ = JsonFault{at_, std::move(what), std::move(hint)};
    return fault_;
  }

  // What no JSON has outside of strings.
  bool fault_at_character() {
    const auto rest = text_.substr(at_);
    if (rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with('#')) {
      fault("there is a comment", "JSON has none: take it out");
    } else if (rest.starts_with('\'')) {
      fault("there is a single quote", "strings of JSON have double quotes: \"...\"");
    } else if (const auto retyped = retype(rest.substr(0, 3)); !retyped.what.empty() && (rest.front() & 0x80) != 0) {
      fault(fmt::format("there is {}", retyped.what.front()), "type it anew, as \" or a plain space");
    }
    return fault_.has_value();
  }

  [[nodiscard]] bool is_in_object() const { return !open_.empty() && text_[open_.back()] == '{'; }

  void step(char c) {
    if (c == '}' || c == ']') {
      close(c);
    } else if (next_ == Next::kColon) {
      c == ':' ? advance(Next::kValue) : missing_colon(c);
    } else if (next_ == Next::kComma) {
      c == ',' ? advance(is_in_object() ? Next::kKey : Next::kValue) : missing_comma(c);
    } else if (next_ == Next::kEnd) {
      fault("there is something after the end", "take it out, or a bracket before it");
    } else if (c == ',' || c == ':') {
      fault(fmt::format("there is a '{}' too many", c), "take it out");
    } else if (next_ == Next::kKey || next_ == Next::kFirstKey) {
      read_key(c);
    } else {
      read_value(c);
    }
  }

  void advance(Next next) {
    next_ = next;
    ++at_;
  }

  void close(char c) {
    if (open_.empty()) {
      fault(fmt::format("there is a '{}' too many", c), "take it out");
    } else if ((c == '}') != is_in_object()) {
      fault(fmt::format("a '{}' closes the '{}' of {}", c, text_[open_.back()], text_position(text_, open_.back())),
            fmt::format("close it with '{}'", is_in_object() ? '}' : ']'));
    } else if (next_ == Next::kKey || (next_ == Next::kValue && !is_in_object())) {
      fault(fmt::format("there is a comma before '{}'", c), "take the comma out");
    } else if (next_ == Next::kValue || next_ == Next::kColon) {
      fault(fmt::format("there is no value before '{}'", c), "give the field its value");
    } else {
      open_.pop_back();
      ++at_;
      end_value();
    }
  }

  void end_value() { next_ = open_.empty() ? Next::kEnd : Next::kComma; }

  void missing_colon(char c) {
    fault(c == '=' ? "there is '=' where ':' belongs" : "there is no ':' after the name of a field",
          "write \"name\": value");
  }

  void missing_comma(char c) {
    if (c == ';') {
      fault("there is ';' where ',' belongs", "write a comma");
    } else if (c == ':') {
      fault("there is a ':' after a value",
            is_in_object() ? "a comma or a quote is missing before it" : "fields stand in { }, and not in [ ]");
    } else {
      fault("there is no comma between two values", "write a comma before this one");
    }
  }

  void read_key(char c) {
    if (c == '"') {
      read_string(Next::kColon);
    } else {
      fault("there is a field whose name has no quotes",
            fmt::format("names of fields have double quotes: \"{}\"", word()));
    }
  }

  void read_value(char c) {
    if (c == '{' || c == '[') {
      open_.push_back(at_);
      advance(c == '{' ? Next::kFirstKey : Next::kFirstValue);
    } else if (c == '"') {
      read_string(open_.empty() ? Next::kEnd : Next::kComma);
    } else {
      read_word();
    }
  }

  [[nodiscard]] std::string word() const {
    const auto rest = text_.substr(at_);
    return std::string(rest.substr(0, rest.find_first_of(" \t\r\n,:;{}[]\"'")));
  }

  // true, false, null, or a number.
  void read_word() {
    const auto name = word();
    const auto low = lowered(name);
    const bool is_number =
        !name.empty() && std::string_view("-+.0123456789").find(name.front()) != std::string_view::npos;
    if (name == "true" || name == "false" || name == "null" || is_number) {
      at_ += name.size();
      end_value();
    } else if (low == "true" || low == "false" || low == "yes" || low == "no" || low == "on" || low == "off") {
      const bool is_true = low == "true" || low == "yes" || low == "on";
      fault(fmt::format("there is '{}'", name), is_true ? "JSON writes true" : "JSON writes false");
    } else if (low == "none" || low == "nil" || low == "undefined") {
      fault(fmt::format("there is '{}'", name), "JSON writes null; a field without a value is left out");
    } else {
      fault(fmt::format("there is text without quotes: {}", name), "strings of JSON have double quotes: \"...\"");
    }
  }

  void read_string(Next next) {
    const auto begin = at_++;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\n') {
        at_ = begin;
        fault("there is a string that does not end on its line",
              "a double quote is missing, or is inside it: \\\" is a quote in a string");
        return;
      }
      if (text_[at_] == '\\') {
        constexpr std::string_view kEscapes = "\"\\/bfnrtu";
        if (at_ + 1 < text_.size() && kEscapes.find(text_[at_ + 1]) == std::string_view::npos) {
          fault("there is a backslash in a string", "write / in paths, or the backslash twice: \"C:/models\"");
          return;
        }
        ++at_;
      }
    }
    if (at_ >= text_.size()) {
      at_ = begin;
      fault("there is a string that does not end", "a double quote is missing");
      return;
    }
    advance(next);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Next next_ = Next::kValue;
  std::vector<std::size_t> open_;  // where the brackets are
  std::optional<JsonFault> fault_;
};

}  // namespace

std::optional<JsonFault> find_json_fault(std::string_view text) { return Scanner(text).scan(); }

std::string text_position(std::string_view text, std::size_t offset) {
  const auto before = text.substr(0, offset);
  const auto line_start = before.rfind('\n') + 1;
  const auto is_character = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
  return fmt::format("line {}, column {}", 1 + std::ranges::count(before, '\n'),
                     1 + std::ranges::count_if(before.substr(line_start), is_character));
}

}  // namespace mtpgraft
