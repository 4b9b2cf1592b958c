// Pooling: a thread for an element of the result, whichever side it is on. Neighbours in a warp have neighbouring channels.
// Defined by the host: STORED, the images' type; COMPUTED, that of sums; RESULT, which of the functions below
// it is; CELLS, if a thread has all pixels of a window, and MAXIMA, if those are to be found.

struct Operands {
    u64 x, y;
    i64 x_stride[4], y_stride[4];
    // Along the height and the width.
    i64 pixels[2], positions[2], window[2], stride[2], dilation[2], padding[2];
    // Height, width and channels of the result, by which its elements are numbered.
    i64 rows, columns, channels;
    // Cells along the height and the width, where there are some.
    i64 cells[2];
};
struct Parameters { Operands operands; i64 len; Finish finish; };

// An element's place: image, row, column and channel.
struct Place { i64 image, channel; int row, column; };

// Numbers from `first` on to before `end`.
struct Range { int first, end; };

// Where an image's (or result's) element stands.
FN const STORED* at(u64 start, const i64 (&stride)[4], const Place& place, int row, int column) {
    return (const STORED*)start + (place.image * stride[0] + row * stride[1] + column * stride[2] + place.channel * stride[3]);
}

// The taps of a window that stand over the image.
FN Range taps(const Operands& o, int axis, int position) {
    const int start = position * (int)o.stride[axis] - (int)o.padding[axis], step = (int)o.dilation[axis];
    const int window = (int)o.window[axis], room = (int)o.pixels[axis] - start;
    if (start >= 0 && (window - 1) * step < room) return { 0, window };
    const int first = start < 0 ? (-start + step - 1) / step : 0;
    const int end = room > 0 ? (room + step - 1) / step : 0;
    return { first, end < window ? end : window };
}

// The windows of which a tap may stand over a pixel: `tap_over` says whether and which.
FN Range windows(const Operands& o, int axis, int pixel) {
    const int reach = pixel + (int)o.padding[axis], stride = (int)o.stride[axis];
    const int low = reach - ((int)o.window[axis] - 1) * (int)o.dilation[axis];
    const int end = reach / stride + 1;
    return { low > 0 ? (low + stride - 1) / stride : 0, end < (int)o.positions[axis] ? end : (int)o.positions[axis] };
}

FN int tap_over(const Operands& o, int axis, int pixel, int position) {
    const int distance = pixel + (int)o.padding[axis] - position * (int)o.stride[axis], step = (int)o.dilation[axis];
    return distance % step == 0 ? distance / step : -1;
}

// The pixel under a tap.
FN int under(const Operands& o, int axis, int position, int tap) {
    return position * (int)o.stride[axis] + tap * (int)o.dilation[axis] - (int)o.padding[axis];
}

// The first maximum of a window, of which a NaN is greater than all else: its tap's row is -1 where there is no pixel.
struct First { COMPUTED value; int row, column; };

FN First first_maximum(const Operands& o, const Place& place, int row, int column) {
    const Range rows = taps(o, 0, row), columns = taps(o, 1, column);
    First first = { (COMPUTED)-1 / (COMPUTED)0, -1, -1 };
    for (int i = rows.first; i < rows.end; i++) {
        for (int j = columns.first; j < columns.end; j++) {
            const int y = under(o, 0, row, i), x = under(o, 1, column, j);
            const COMPUTED value = widen(*at(o.x, o.x_stride, place, y, x));
            if (first.row < 0 || (!isnan_(first.value) && (isnan_(value) || value > first.value))) first = { value, y, x };
        }
    }
    return first;
}

FN COMPUTED max_pool(const Operands& o, const Place& place) { return first_maximum(o, place, place.row, place.column).value; }

FN COMPUTED max_pool_gather(const Operands& o, const Place& place) {
    const First first = first_maximum(o, place, place.row, place.column);
    return first.row < 0 ? (COMPUTED)0 : (COMPUTED)widen(*at(o.y, o.y_stride, place, first.row, first.column));
}

// A pixel gathers from the windows that it is the first maximum of.
FN COMPUTED max_pool_scatter(const Operands& o, const Place& place) {
    const Range rows = windows(o, 0, place.row), columns = windows(o, 1, place.column);
    COMPUTED sum = 0;
    for (int row = rows.first; row < rows.end; row++) {
        if (tap_over(o, 0, place.row, row) < 0) continue;
        for (int column = columns.first; column < columns.end; column++) {
            if (tap_over(o, 1, place.column, column) < 0) continue;
            const First first = first_maximum(o, place, row, column);
            if (first.row == place.row && first.column == place.column) sum += widen(*at(o.y, o.y_stride, place, row, column));
        }
    }
    return sum;
}

FN COMPUTED sum_pool(const Operands& o, const Place& place) {
    const Range rows = taps(o, 0, place.row), columns = taps(o, 1, place.column);
    COMPUTED sum = 0;
    for (int i = rows.first; i < rows.end; i++)
        for (int j = columns.first; j < columns.end; j++)
            sum += widen(*at(o.x, o.x_stride, place, under(o, 0, place.row, i), under(o, 1, place.column, j)));
    return sum;
}

FN COMPUTED sum_pool_scatter(const Operands& o, const Place& place) {
    const Range rows = windows(o, 0, place.row), columns = windows(o, 1, place.column);
    COMPUTED sum = 0;
    for (int row = rows.first; row < rows.end; row++) {
        if (tap_over(o, 0, place.row, row) < 0) continue;
        for (int column = columns.first; column < columns.end; column++)
            if (tap_over(o, 1, place.column, column) >= 0) sum += widen(*at(o.y, o.y_stride, place, row, column));
    }
    return sum;
}

// Counts `rest` in rows, columns and channels.
FN Place place_of(Flat rest, i64 rows, i64 columns, i64 channels) {
    Place place;
    place.channel = rest % (Flat)channels;
    rest /= (Flat)channels;
    place.column = (int)(rest % (Flat)columns);
    rest /= (Flat)columns;
    place.row = (int)(rest % (Flat)rows);
    place.image = rest / (Flat)rows;
    return place;
}

#if CELLS
// Windows that do not overlap, scattered: a thread for a window and the pixels from it to the next, so that a window is read
// once. Number 0 along an axis is the cell that has the first pixel.
extern "C" __global__ void __launch_bounds__(256, 4) pool(const __grid_constant__ Parameters p) {
    const Operands& o = p.operands;
    const i64 number = (i64)blockIdx.x * 256 + threadIdx.x;
    if (number >= p.len) return;
    Place cell = place_of((Flat)number, o.cells[0], o.cells[1], o.channels);
    cell.row += (int)(o.padding[0] / o.stride[0]);
    cell.column += (int)(o.padding[1] / o.stride[1]);
    const bool window = cell.row < (int)o.positions[0] && cell.column < (int)o.positions[1];
    const COMPUTED value = window ? (COMPUTED)widen(*at(o.y, o.y_stride, cell, cell.row, cell.column)) : (COMPUTED)0;
    const First first = window && MAXIMA ? first_maximum(o, cell, cell.row, cell.column) : First { 0, -1, -1 };
    for (int i = 0; i < (int)o.stride[0]; i++) {
        const int row = under(o, 0, cell.row, 0) + i;
        if (row < 0 || row >= (int)o.pixels[0]) continue;
        const int down = tap_over(o, 0, row, cell.row);
        for (int j = 0; j < (int)o.stride[1]; j++) {
            const int column = under(o, 1, cell.column, 0) + j;
            if (column < 0 || column >= (int)o.pixels[1]) continue;
            const int across = tap_over(o, 1, column, cell.column);
            const bool tapped = down >= 0 && down < (int)o.window[0] && across >= 0 && across < (int)o.window[1];
            const bool given = MAXIMA ? first.row == row && first.column == column : tapped;
            const i64 pixel = (cell.image * o.rows + row) * o.columns + column;
            finish(p.finish, (Flat)(pixel * o.channels + cell.channel), window && given ? value : (COMPUTED)0);
        }
    }
}
#else
extern "C" __global__ void __launch_bounds__(256, 4) pool(const __grid_constant__ Parameters p) {
    const i64 number = (i64)blockIdx.x * 256 + threadIdx.x;
    if (number >= p.len) return;
    const Place place = place_of((Flat)number, p.operands.rows, p.operands.columns, p.operands.channels);
    finish(p.finish, (Flat)number, RESULT(p.operands, place));
}
#endif
