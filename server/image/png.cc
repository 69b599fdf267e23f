#include "server/image/png.h"

#include <png.h>

#include <csetjmp>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace easel {
namespace {

constexpr char kKeyword[] = "parameters";
constexpr int kMaxSide = 16384;
constexpr size_t kSignatureSize = 8;

// libpng reports faults by longjmp, which must not pass over anything with a destructor. So all that C++ owns
// lives in the caller, and the functions that call setjmp hold plain values only.

struct Fault {
  char message[160] = "";
};

[[noreturn]] void OnError(png_structp png, png_const_charp message) {
  Fault* fault = static_cast<Fault*>(png_get_error_ptr(png));
  std::strncpy(fault->message, message, sizeof(fault->message) - 1);
  png_longjmp(png, 1);
}

void OnWarning(png_structp, png_const_charp) {}

void Append(png_structp png, png_bytep data, size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<char*>(data), size);
}

void Flush(png_structp) {}

void Take(png_structp png, png_bytep data, size_t size) {
  std::string_view* rest = static_cast<std::string_view*>(png_get_io_ptr(png));
  if (rest->size() < size) png_error(png, "the file is cut short");
  std::memcpy(data, rest->data(), size);
  rest->remove_prefix(size);
}

struct Writer {
  png_structp png;
  png_infop info = nullptr;
  explicit Writer(Fault* fault)
      : png(png_create_write_struct(PNG_LIBPNG_VER_STRING, fault, OnError, OnWarning)) {
    if (png != nullptr) info = png_create_info_struct(png);
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
};

struct Reader {
  png_structp png;
  png_infop info = nullptr;
  explicit Reader(Fault* fault)
      : png(png_create_read_struct(PNG_LIBPNG_VER_STRING, fault, OnError, OnWarning)) {
    if (png != nullptr) info = png_create_info_struct(png);
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

bool Write(png_structp png, png_infop info, const Image& image, png_text* text, std::string* out) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_write_fn(png, out, Append, Flush);
  png_set_IHDR(png, info, image.width, image.height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  // A quarter of the default's time, for files a little larger.
  png_set_compression_level(png, 1);
  png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_SUB);
  if (text != nullptr) png_set_text(png, info, text, 1);
  png_write_info(png, info);
  for (int y = 0; y < image.height; ++y) {
    png_write_row(png, image.rgb.data() + static_cast<size_t>(y) * image.width * 3);
  }
  png_write_end(png, info);
  return true;
}

bool ReadHeader(png_structp png, png_infop info, std::string_view* bytes) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_read_fn(png, bytes, Take);
  png_set_user_limits(png, kMaxSide, kMaxSide);
  png_read_info(png, info);
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_gray_to_rgb(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return true;
}

bool ReadPixels(png_structp png, png_infop info, png_bytepp rows) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_read_image(png, rows);
  png_read_end(png, info);
  return true;
}

// The next code point of UTF-8 text, which is moved on; nothing when it is not UTF-8.
std::optional<uint32_t> NextCodePoint(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  const size_t size = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
  if (size == 0 || text.size() < size) return std::nullopt;
  uint32_t code = size == 1 ? lead : lead & (0x7f >> size);
  for (size_t i = 1; i < size; ++i) {
    if (byte(i) >> 6 != 2) return std::nullopt;
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return std::nullopt;
  text.remove_prefix(size);
  return code;
}

struct PngText {
  bool latin1 = true;
  std::string bytes;  // in Latin-1, or UTF-8 as it was
};

absl::StatusOr<PngText> ToPngText(std::string_view utf8) {
  PngText text;
  for (std::string_view rest = utf8; !rest.empty();) {
    const size_t at = utf8.size() - rest.size();
    const std::optional<uint32_t> code = NextCodePoint(rest);
    if (!code.has_value() || *code == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "parameters hold ", code.has_value() ? "a NUL" : "what is not UTF-8", " at byte ", at));
    }
    if (*code > 0xff) text.latin1 = false;
    if (text.latin1) text.bytes.push_back(static_cast<char>(*code));
  }
  if (!text.latin1) text.bytes = utf8;
  return text;
}

std::string Latin1ToUtf8(std::string_view latin1) {
  std::string utf8;
  for (const char c : latin1) {
    const uint8_t code = static_cast<uint8_t>(c);
    if (code >= 0x80) utf8.push_back(static_cast<char>(0xc0 | code >> 6));
    utf8.push_back(static_cast<char>(code < 0x80 ? code : 0x80 | (code & 0x3f)));
  }
  return utf8;
}

std::string ParametersOf(png_structp png, png_infop info) {
  png_textp texts = nullptr;
  const int count = png_get_text(png, info, &texts, nullptr);
  for (int i = 0; i < count; ++i) {
    if (std::strcmp(texts[i].key, kKeyword) != 0 || texts[i].text == nullptr) continue;
    const bool utf8 = texts[i].compression >= PNG_ITXT_COMPRESSION_NONE;
    return utf8 ? std::string(texts[i].text) : Latin1ToUtf8(texts[i].text);
  }
  return "";
}

absl::Status Damaged(const Fault& fault) {
  return absl::InvalidArgumentError(absl::StrCat("damaged PNG: ", fault.message));
}

}  // namespace

absl::StatusOr<std::string> EncodePng(const Image& image, std::string_view parameters) {
  absl::StatusOr<PngText> content = ToPngText(parameters);
  if (!content.ok()) return content.status();
  char keyword[] = "parameters";
  char empty[] = "";
  png_text text = {};
  text.compression = content->latin1 ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
  text.key = keyword;
  text.text = content->bytes.data();
  text.lang = empty;
  text.lang_key = empty;
  Fault fault;
  Writer writer(&fault);
  if (writer.info == nullptr) return absl::ResourceExhaustedError("PNG: out of memory");
  std::string out;
  if (!Write(writer.png, writer.info, image, parameters.empty() ? nullptr : &text, &out)) {
    return absl::InvalidArgumentError(absl::StrCat("PNG: ", fault.message));
  }
  return out;
}

absl::StatusOr<DecodedPng> DecodePng(std::string_view bytes) {
  if (bytes.size() < kSignatureSize ||
      png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, kSignatureSize) != 0) {
    return absl::InvalidArgumentError("not a PNG");
  }
  Fault fault;
  Reader reader(&fault);
  if (reader.info == nullptr) return absl::ResourceExhaustedError("PNG: out of memory");
  if (!ReadHeader(reader.png, reader.info, &bytes)) return Damaged(fault);
  DecodedPng decoded;
  Image& image = decoded.image;
  image.width = static_cast<int>(png_get_image_width(reader.png, reader.info));
  image.height = static_cast<int>(png_get_image_height(reader.png, reader.info));
  const size_t stride = static_cast<size_t>(image.width) * 3;
  if (png_get_rowbytes(reader.png, reader.info) != stride) {
    return absl::InvalidArgumentError("damaged PNG: an unknown kind of pixels");
  }
  image.rgb.resize(stride * image.height);
  std::vector<png_bytep> rows(image.height);
  for (int y = 0; y < image.height; ++y) rows[y] = image.rgb.data() + y * stride;
  if (!ReadPixels(reader.png, reader.info, rows.data())) return Damaged(fault);
  decoded.parameters = ParametersOf(reader.png, reader.info);
  return decoded;
}

}  // namespace easel
