// The median of each window of five, sorted in an array of the thread's own; windows at the ends are shorter.
extern "C" __global__ void median(const int *__restrict__ x, int *__restrict__ y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int window[5];
    int count = 0;
#pragma unroll 1
    for (int at = max(i - 2, 0); at <= min(i + 2, n - 1); at++) {
        int value = x[at];
        int place = count;
#pragma unroll 1
        while (place > 0 && window[place - 1] > value) {
            window[place] = window[place - 1];
            place--;
        }
        window[place] = value;
        count++;
    }
    y[i] = window[count / 2];
}
