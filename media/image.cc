#include "media/image.h"

#include "kernels/error.h"

namespace tessera::media {

Image::Image(int row_count, int column_count) : rows(row_count), columns(column_count) {
  if (rows <= 0 || columns <= 0) throw ArgumentError("a picture needs at least one row and one column");
  pixels.resize(offset(rows));
}

}  // namespace tessera::media
