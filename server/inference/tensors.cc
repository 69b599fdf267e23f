#include "server/inference/tensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/service/model_description.h"
#include "server/service/wire.h"

namespace easel {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are copied as they lie in memory");

constexpr size_t kLengthBytes = 4;  // before each element of BYTES

template <typename T>
std::optional<Element> ReadRaw(const std::string& raw, std::string* wrong) {
  if (raw.size() != sizeof(T)) {
    *wrong = absl::StrCat(raw.size(), " bytes of raw contents given; allowed: ", sizeof(T));
    return std::nullopt;
  }
  T value;
  std::memcpy(&value, raw.data(), sizeof(T));
  return value;
}

std::optional<Element> ReadRawText(const std::string& raw, std::string* wrong) {
  uint32_t length = 0;
  if (raw.size() >= kLengthBytes) std::memcpy(&length, raw.data(), kLengthBytes);
  if (raw.size() < kLengthBytes || raw.size() - kLengthBytes != length) {
    *wrong =
        absl::StrCat(raw.size(), " bytes of raw contents given",
                     raw.size() < kLengthBytes ? "" : absl::StrCat(", with the length ", length, " in front"),
                     "; allowed: one element, its length in 4 bytes, little-endian, in front");
    return std::nullopt;
  }
  return raw.substr(kLengthBytes);
}

// How many elements a tensor has in all its typed lists.
int CountOf(const inference::InferTensorContents& contents) {
  return contents.bool_contents_size() + contents.int_contents_size() + contents.int64_contents_size() +
         contents.uint_contents_size() + contents.uint64_contents_size() + contents.fp32_contents_size() +
         contents.fp64_contents_size() + contents.bytes_contents_size();
}

template <typename List>
std::optional<Element> ReadTyped(const inference::InferTensorContents& contents, const List& list,
                                 std::string_view list_name, std::string* wrong) {
  if (CountOf(contents) == 1 && list.size() == 1) return Element(list.Get(0));
  *wrong = absl::StrCat(list.size(), " elements in contents.", std::string(list_name), " and ",
                        CountOf(contents) - list.size(), " in other lists given; allowed: 1 there alone");
  return std::nullopt;
}

std::optional<Element> Read(const inference::InferTensorContents& contents, Datatype datatype,
                            const std::string* raw, std::string* wrong) {
  switch (datatype) {
    case Datatype::kBytes:
      return raw != nullptr ? ReadRawText(*raw, wrong)
                            : ReadTyped(contents, contents.bytes_contents(), "bytes_contents", wrong);
    case Datatype::kInt32:
      return raw != nullptr ? ReadRaw<int32_t>(*raw, wrong)
                            : ReadTyped(contents, contents.int_contents(), "int_contents", wrong);
    case Datatype::kInt64:
      return raw != nullptr ? ReadRaw<int64_t>(*raw, wrong)
                            : ReadTyped(contents, contents.int64_contents(), "int64_contents", wrong);
    case Datatype::kUint64:
      return raw != nullptr ? ReadRaw<uint64_t>(*raw, wrong)
                            : ReadTyped(contents, contents.uint64_contents(), "uint64_contents", wrong);
    case Datatype::kFp32:
      return raw != nullptr ? ReadRaw<float>(*raw, wrong)
                            : ReadTyped(contents, contents.fp32_contents(), "fp32_contents", wrong);
    case Datatype::kUint8:
      break;
  }
  *wrong = "not a datatype of inputs";
  return std::nullopt;
}

void AddOutput(const TensorType& type, const std::vector<int64_t>& shape, std::string content,
               inference::ModelInferResponse* response) {
  auto* output = response->add_outputs();
  output->set_name(std::string(type.name));
  output->set_datatype(std::string(NameOf(type.datatype)));
  output->mutable_shape()->Add(shape.begin(), shape.end());
  *response->add_raw_output_contents() = std::move(content);
}

template <typename T>
std::string Raw(const std::vector<T>& elements) {
  return {reinterpret_cast<const char*>(elements.data()), elements.size() * sizeof(T)};
}

std::vector<int64_t> Counted(size_t elements) { return {static_cast<int64_t>(elements)}; }

}  // namespace

std::string_view NameOf(Datatype datatype) {
  switch (datatype) {
    case Datatype::kBytes:
      return "BYTES";
    case Datatype::kInt32:
      return "INT32";
    case Datatype::kInt64:
      return "INT64";
    case Datatype::kUint64:
      return "UINT64";
    case Datatype::kFp32:
      return "FP32";
    case Datatype::kUint8:
      return "UINT8";
  }
  return "";
}

std::optional<Element> ReadElement(const inference::ModelInferRequest::InferInputTensor& tensor,
                                   const TensorType& type, const std::string* raw,
                                   FieldViolation* violation) {
  violation->field = std::string(type.name);
  std::string& wrong = violation->description;
  const std::string datatype(NameOf(type.datatype));
  if (!tensor.parameters().empty()) {
    wrong = absl::StrCat("parameter ", Quoted(tensor.parameters().begin()->first),
                         " given; allowed: none, contents travel in the message and not in shared memory");
    return std::nullopt;
  }
  if (tensor.datatype() != datatype) {
    wrong = absl::StrCat("datatype ", Quoted(tensor.datatype()), " given; allowed: ", datatype);
    return std::nullopt;
  }
  const auto& shape = tensor.shape();
  if (shape.empty() || shape.size() > 2 || shape.Get(0) != 1 || shape.Get(shape.size() - 1) != 1) {
    const std::vector<int64_t> first(shape.begin(), shape.begin() + std::min(shape.size(), 8));
    wrong = absl::StrCat("shape [", absl::StrJoin(first, ", "),
                         first.size() < size_t(shape.size()) ? ", …" : "", "] given; allowed: [1], [1, 1]");
    return std::nullopt;
  }
  std::optional<Element> element = Read(tensor.contents(), type.datatype, raw, &wrong);
  if (!element.has_value()) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(&*element); text != nullptr && !IsUtf8(*text)) {
    wrong = "the text given is not valid UTF-8";
    return std::nullopt;
  }
  return element;
}

void AddBytes(std::string_view name, const std::vector<std::string_view>& elements,
              inference::ModelInferResponse* response) {
  size_t bytes = 0;
  for (const std::string_view element : elements) bytes += kLengthBytes + element.size();
  std::string content;
  content.reserve(bytes);
  for (const std::string_view element : elements) {
    const auto length = static_cast<uint32_t>(element.size());
    content.append(reinterpret_cast<const char*>(&length), kLengthBytes);
    content.append(element);
  }
  AddOutput({name, Datatype::kBytes}, Counted(elements.size()), std::move(content), response);
}

void AddInt32(std::string_view name, const std::vector<int32_t>& elements,
              inference::ModelInferResponse* response) {
  AddOutput({name, Datatype::kInt32}, Counted(elements.size()), Raw(elements), response);
}

void AddUint64(std::string_view name, const std::vector<uint64_t>& elements,
               inference::ModelInferResponse* response) {
  AddOutput({name, Datatype::kUint64}, Counted(elements.size()), Raw(elements), response);
}

void AddUint8(std::string_view name, const std::vector<int64_t>& shape, std::string content,
              inference::ModelInferResponse* response) {
  AddOutput({name, Datatype::kUint8}, shape, std::move(content), response);
}

}  // namespace easel
