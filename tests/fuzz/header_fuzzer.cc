// The header of one GGUF, and what inspect says of it.
#include <algorithm>
#include <numeric>

#include "fuzz.h"
#include "gguf/serialize.h"
#include "mtpgraft/projector.h"
#include "plan/value_json.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::fuzz {
namespace {

void require_spelled(const Bytes& spelled, const Bytes& bytes, std::uint64_t from, std::uint64_t to) {
  require(std::ranges::equal(spelled, std::span(bytes).subspan(from, to - from)),
          "the serialiser writes what was read");
}

void check_records(const GgufFile& gguf, const Bytes& bytes) {
  require_spelled(serialize_counts(gguf.version, gguf.tensors.size(), gguf.keys.size()), bytes, 0, 24);
  std::uint64_t at = 24;
  for (const auto& item : gguf.keys) {
    require(item.offset == at, "keys follow each other");
    at = item.end;
    if (const auto value = item.complete_value()) {
      require_spelled(serialize_key(item.key, *value), bytes, item.offset, item.end);
      require(value_from_json(value_to_json(*value)) == value, "JSON of the record holds every value");
    }
  }
  for (const auto& tensor : gguf.tensors) {
    require(tensor.info_offset == at, "tensor infos follow each other");
    at = tensor.info_end;
    require_spelled(serialize_tensor_info(tensor, gguf.data_offset), bytes, tensor.info_offset, tensor.info_end);
    require(tensor.offset >= gguf.data_offset && range_fits(tensor.offset, tensor.size_bytes, gguf.size),
            "tensor data are inside the file");
  }
  require(at == gguf.infos_end && gguf.infos_end <= gguf.data_offset && gguf.data_offset <= gguf.data_end,
          "the data follow the header");
}

template <class T>
std::vector<std::size_t> indices_of(const std::vector<T>& items) {
  std::vector<std::size_t> indices(items.size());
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  return indices;
}

void check_file(const Bytes& bytes) {
  const MemoryFile file("model.gguf", bytes);
  const auto parsed = parse_gguf(file);
  if (!parsed.ok()) {
    require_sound(parsed.error());
    const auto json = report::inspected_to_json({}, {{file.path(), parsed.error()}});
    return require_json(json);
  }
  const auto& gguf = parsed.value();
  check_records(gguf, bytes);
  report::InspectedFile inspected{gguf, summarise(gguf), indices_of(gguf.tensors), indices_of(gguf.keys), {}};
  if (const auto projector = read_projector(gguf); projector.ok()) {
    inspected.mmproj = check_projector(gguf, projector.value());
  }
  require_printable(report::describe_inspected({inspected, inspected}));
  require_json(report::inspected_to_json({inspected}, {}));
}

}  // namespace
}  // namespace mtpgraft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  mtpgraft::fuzz::check_file({bytes.begin(), bytes.end()});
  return 0;
}
