// Work of the kinds that plugins do, for the bench of the metering.
// clang --target=wasm32 -O2 -mbulk-memory -nostdlib -Wl,--no-entry -Wl,--export-all -o compute.wasm compute.c

typedef unsigned int u32;
typedef unsigned char u8;

static const u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static u32 rotr(u32 x, int n) { return x >> n | x << (32 - n); }

static void block(u32 h[8], const u8 *p) {
  u32 w[64], s[8];
  for (int i = 0; i < 16; i++)
    w[i] = (u32)p[4 * i] << 24 | (u32)p[4 * i + 1] << 16 | (u32)p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; i++)
    w[i] = w[i - 16] + w[i - 7] + (rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3) +
           (rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10);
  for (int i = 0; i < 8; i++)
    s[i] = h[i];
  for (int i = 0; i < 64; i++) {
    u32 t = s[7] + (rotr(s[4], 6) ^ rotr(s[4], 11) ^ rotr(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + K[i] + w[i];
    u32 v = (rotr(s[0], 2) ^ rotr(s[0], 13) ^ rotr(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    s[7] = s[6], s[6] = s[5], s[5] = s[4], s[4] = s[3] + t, s[3] = s[2], s[2] = s[1], s[1] = s[0], s[0] = t + v;
  }
  for (int i = 0; i < 8; i++)
    h[i] += s[i];
}

static u8 buffer[64 << 10];

// sha256 has a long loop body.
int sha256(int rounds) {
  u32 h[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (int r = 0; r < rounds; r++)
    for (u32 i = 0; i < sizeof buffer; i += 64)
      block(h, buffer + i);
  return (int)h[0];
}

// sieve has short loops over memory.
int sieve(int rounds) {
  int found = 0;
  for (int r = 0; r < rounds; r++) {
    for (u32 i = 0; i < sizeof buffer; i++)
      buffer[i] = 1;
    for (u32 i = 2; i < sizeof buffer; i++)
      if (buffer[i]) {
        found++;
        for (u32 j = i + i; j < sizeof buffer; j += i)
          buffer[j] = 0;
      }
  }
  return found;
}

__attribute__((noinline)) static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

// calls is a tree of small calls.
int calls(int rounds) {
  int sum = 0;
  for (int r = 0; r < rounds; r++)
    sum += fib(17 + r % 4);
  return sum;
}

__attribute__((noinline)) static int hash(const char *s) {
  u32 h = 2166136261u;
  for (; *s; s++)
    h = (h ^ (u8)*s) * 16777619u;
  return (int)h;
}

__attribute__((noinline)) static int digit(int c) { return c >= '0' && c <= '9'; }

static const char text[] = "{\"version\":\"2.0\",\"type\":\"REQUEST\",\"identitySource\":[\"Bearer demo\"],\"rawPath\":\"/orders/7\",\"headers\":"
                           "{\"accept\":\"*/*\",\"authorization\":\"Bearer demo\",\"host\":\"localhost:8080\",\"user-agent\":\"curl/8\"}}";

// scan walks over text, with a small function for each byte, and a hash for each string.
int scan(int rounds) {
  int sum = 0;
  char name[32];
  for (int r = 0; r < rounds; r++) {
    int length = -1;
    for (const char *p = text; *p; p++) {
      sum += digit(*p);
      if (*p == '"') {
        if (length > 0) {
          name[length] = 0;
          sum += hash(name);
        }
        length = length < 0 ? 0 : -1;
      } else if (length >= 0 && length < 31)
        name[length++] = *p;
    }
  }
  return sum;
}
