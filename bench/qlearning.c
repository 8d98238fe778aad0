/* Q-learning firms in C: the loop of theory/qlearning_session.py with the same random numbers, hence the same
   sessions. bench/pricing.py compiles and runs it.

   ./qlearning SEED ... < profits [firm, state], then Q_0 [firm, price]
   Prints a line for each seed: last state, periods, greedy prices [firm, state].
   -DSCAN: compares all prices after every greedy choice, as the paper's loop is usually written. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRMS = 2, M = 15, STATES = M * M, WORDS = 624, STABLE = 100000 };
static const double alpha = .15, beta = 4e-6, delta = .95;
static double pay[FIRMS][STATES], start[FIRMS][M];
static double q[FIRMS][STATES][M], bound[FIRMS][STATES];
static int best[FIRMS][STATES];

/* MT19937 as in numpy.random.RandomState */
static uint32_t words[WORDS];
static double draws[WORDS / 2];
static int drawn;

static void seed_words(uint32_t seed) {
  words[0] = seed;
  for (int i = 1; i < WORDS; i++) words[i] = 1812433253u * (words[i - 1] ^ (words[i - 1] >> 30)) + i;
  drawn = WORDS / 2;
}
static inline uint32_t twist(uint32_t one, uint32_t next, uint32_t far) {
  uint32_t mixed = (one & 0x80000000u) | (next & 0x7fffffffu);
  return far ^ (mixed >> 1) ^ ((mixed & 1) * 0x9908b0dfu);
}
static inline uint32_t temper(uint32_t x) {
  x ^= x >> 11;
  x ^= (x << 7) & 0x9d2c5680u;
  x ^= (x << 15) & 0xefc60000u;
  return x ^ (x >> 18);
}
static void refill(void) {
  for (int i = 0; i < 227; i++) words[i] = twist(words[i], words[i + 1], words[i + 397]);
  for (int i = 227; i < 623; i++) words[i] = twist(words[i], words[i + 1], words[i - 227]);
  words[623] = twist(words[623], words[0], words[396]);
  for (int i = 0; i < WORDS / 2; i++)
    draws[i] = ((temper(words[2 * i]) >> 5) * 67108864.0 + (temper(words[2 * i + 1]) >> 6)) / 9007199254740992.0;
  drawn = 0;
}
static inline double draw(void) {
  if (drawn == WORDS / 2) refill();
  return draws[drawn++];
}

/* Whether the firm's best price in this state changes once the price a is worth `value`. */
static inline int learn(int k, int state, int a, double value) {
  double *row = q[k][state];
  int top = best[k][state];
  row[a] = value;
#ifdef SCAN
  if (a == top) {
    for (int other = 0; other < M; other++) if (row[other] > row[top]) top = other;
  } else if (value > row[top]) top = a;
#else
  if (a == top) {
    if (value < bound[k][state]) {
      double first = value, second = -INFINITY;
      for (int other = 0; other < M; other++) {
        if (row[other] > first) second = first, first = row[other], top = other;
        else if (other != top && row[other] > second) second = row[other];
      }
      bound[k][state] = second;
    }
  } else if (value > row[top]) bound[k][state] = row[top], top = a;
  else if (value > bound[k][state]) bound[k][state] = value;
#endif
  if (top == best[k][state]) return 0;
  best[k][state] = top;
  return 1;
}

static void session(uint32_t seed) {
  seed_words(seed);
  for (int k = 0; k < FIRMS; k++) {
    int top = 0;
    for (int a = 1; a < M; a++) if (start[k][a] > start[k][top]) top = a;
    for (int s = 0; s < STATES; s++) {
      for (int a = 0; a < M; a++) q[k][s][a] = start[k][a];
      best[k][s] = top;
      bound[k][s] = start[k][top];
    }
  }
  int state = (int)(draw() * STATES), calm = 0;
  double explore = 1, fade = exp(-beta);
  long periods = 0;
  for (; calm < STABLE; periods++) {
    int chosen[FIRMS], next = 0;
    for (int k = 0; k < FIRMS; k++) {
      chosen[k] = draw() < explore ? (int)(draw() * M) : best[k][state];
      next = next * M + chosen[k];
    }
    explore *= fade;
    calm++;
    for (int k = 0; k < FIRMS; k++) {
      double future = q[k][next][best[k][next]];
      double value = (1 - alpha) * q[k][state][chosen[k]] + alpha * (pay[k][next] + delta * future);
      if (learn(k, state, chosen[k], value)) calm = 0;
    }
    state = next;
  }
  printf("%d %ld", state, periods);
  for (int k = 0; k < FIRMS; k++) for (int s = 0; s < STATES; s++) printf(" %d", best[k][s]);
  puts("");
}

static int read_numbers(double *to, int n) {
  while (n-- > 0) if (scanf("%lf", to++) != 1) return 0;
  return 1;
}
int main(int argc, char **argv) {
  if (!read_numbers(pay[0], FIRMS * STATES) || !read_numbers(start[0], FIRMS * M)) return 1;
  for (int i = 1; i < argc; i++) session(strtoul(argv[i], 0, 10));
  return 0;
}
