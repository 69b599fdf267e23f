#include "model/train/emoji_font.h"

#include <ATen/ATen.h>
#include <ft2build.h>
#include FT_FREETYPE_H
#include <hb.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace easel {

// Each of the two libraries reads the file itself: HarfBuzz the tables that join code points, FreeType the
// bitmaps.
struct EmojiFont::Handles {
  ~Handles() {
    hb_font_destroy(shaper);
    if (face) FT_Done_Face(face);
    if (library) FT_Done_FreeType(library);
  }

  FT_Library library = nullptr;
  FT_Face face = nullptr;
  hb_font_t* shaper = nullptr;
};

EmojiFont::EmojiFont(std::string path, std::unique_ptr<Handles> handles)
    : path_(std::move(path)), handles_(std::move(handles)) {}

EmojiFont::~EmojiFont() = default;

absl::StatusOr<std::unique_ptr<EmojiFont>> EmojiFont::Open(const std::string& path) {
  if (!std::filesystem::is_regular_file(path))
    return absl::NotFoundError(absl::StrCat(path, ": no such font file"));
  auto handles = std::make_unique<Handles>();
  if (FT_Init_FreeType(&handles->library) != 0) return absl::InternalError("FreeType does not start");
  if (FT_New_Face(handles->library, path.c_str(), 0, &handles->face) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a font that FreeType reads"));
  }
  if (!FT_HAS_COLOR(handles->face) || FT_Select_Size(handles->face, 0) != 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a colour bitmap font"));
  }
  hb_blob_t* blob = hb_blob_create_from_file(path.c_str());
  hb_face_t* face = hb_face_create(blob, 0);
  handles->shaper = hb_font_create(face);
  hb_face_destroy(face);
  hb_blob_destroy(blob);
  return std::unique_ptr<EmojiFont>(new EmojiFont(path, std::move(handles)));
}

absl::StatusOr<at::Tensor> EmojiFont::Draw(const std::vector<uint32_t>& code_points) const {
  const auto fault = [&](const char* what) {
    const auto hex = [](std::string* out, uint32_t code) { absl::StrAppend(out, "U+", absl::Hex(code)); };
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": ", absl::StrJoin(code_points, " ", hex), " ", what));
  };
  hb_buffer_t* buffer = hb_buffer_create();
  hb_buffer_add_utf32(buffer, code_points.data(), code_points.size(), 0, code_points.size());
  hb_buffer_guess_segment_properties(buffer);
  hb_shape(handles_->shaper, buffer, nullptr, 0);
  unsigned glyphs = 0;
  const hb_glyph_info_t* infos = hb_buffer_get_glyph_infos(buffer, &glyphs);
  const uint32_t glyph = glyphs == 1 ? infos[0].codepoint : 0;
  hb_buffer_destroy(buffer);
  if (glyph == 0) return fault("is not one glyph");

  if (FT_Load_Glyph(handles_->face, glyph, FT_LOAD_COLOR) != 0) return fault("does not load");
  const FT_Bitmap& bitmap = handles_->face->glyph->bitmap;
  if (bitmap.pixel_mode != FT_PIXEL_MODE_BGRA || bitmap.pitch <= 0) return fault("has no colour picture");
  const int64_t height = bitmap.rows, width = bitmap.width, side = std::max(height, width);
  const at::Tensor bgra = at::from_blob(bitmap.buffer, {height, width, 4}, {bitmap.pitch, 4, 1}, at::kByte)
                              .permute({2, 0, 1})
                              .to(at::kFloat) /
                          255;  // (4, h, w)
  // The colours come multiplied by alpha already.
  at::Tensor square = at::ones({3, side, side});
  square.narrow(1, (side - height) / 2, height)
      .narrow(2, (side - width) / 2, width)
      .copy_(bgra.narrow(0, 0, 3).flip(0) + (1 - bgra.narrow(0, 3, 1)));
  return square.clamp(0, 1);
}

}  // namespace easel
