// Any bytes as a JSON file: an error that names the file, or an object of which every key can be read as
// every type; and what was read, as JsonWriter writes it, is read as the same.
#include "model/io/json.h"
#include "tests/fuzz/fuzz.h"

namespace easel {
namespace {

const std::string kPath = "input/config.json";

// use(read(object)), if it is of that type.
template <class Read, class Use>
void IfReads(JsonObject object, Read read, Use use) {
  auto value = read(object);
  RequireNames(object.status(), kPath);
  if (object.status().ok()) use(std::move(value));
}

JsonWriter ReadEverything(const JsonObject& object) {
  JsonWriter written;
  for (const std::string& key : object.keys()) {
    if (!object.Has(key)) continue;
    auto write = [&](const auto& value) { written.Set(key, value); };
    // An integer is a number too: what is read last is written.
    IfReads(
        object, [&](JsonObject& o) { return o.Number(key); }, write);
    IfReads(
        object, [&](JsonObject& o) { return o.Int(key); }, write);
    IfReads(
        object, [&](JsonObject& o) { return o.Bool(key); }, write);
    IfReads(
        object, [&](JsonObject& o) { return o.String(key); }, write);
    IfReads(
        object, [&](JsonObject& o) { return o.Rows(key); }, write);
    IfReads(
        object, [&](JsonObject& o) { return o.Numbers(key); }, write);
    IfReads(
        object, [&](JsonObject& o) { return o.Ints(key); }, write);
    IfReads(
        object, [&](JsonObject& o) { return o.Strings(key); }, write);
    IfReads(
        object, [&](JsonObject& o) { return o.Object(key); },
        [&](const auto& nested) { write(ReadEverything(*nested)); });
    IfReads(
        object, [&](JsonObject& o) { return o.Objects(key); },
        [](const auto& elements) {
          for (const JsonObject& element : elements) ReadEverything(element);
        });
    IfReads(
        object, [&](JsonObject& o) { return o.StringRows(key); }, [](const auto&) {});
  }
  IfReads(
      object, [](JsonObject& o) { return o.IntEntries(); }, [](const auto&) {});
  return written;
}

void Fuzz(std::string_view text) {
  const absl::StatusOr<JsonObject> object = JsonObject::Parse(text, kPath);
  RequireNames(object.status(), kPath);
  if (!object.ok()) return;
  const std::string written = ReadEverything(*object).Text();
  const absl::StatusOr<JsonObject> again = JsonObject::Parse(written, kPath);
  Require(again.ok(), "what JsonWriter wrote is not read:\n" + written);
  Require(ReadEverything(*again).Text() == written,
          "what JsonWriter wrote is read as something else:\n" + written);
}

}  // namespace
}  // namespace easel

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  easel::Fuzz(easel::AsText(data, size));
  return 0;
}
