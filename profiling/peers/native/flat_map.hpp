// A C++ hash map in the verb `peers`: the same keys and questions as for the Python libraries, asked in a plain loop.
//
//     PROGRAM FILE KIND OPERATION,OPERATION,...
//
// FILE is what peers/keys.py wrote, KIND int64 or float64. Before each operation, and at the end, a line of JSON says
// which is next and what was measured so far: CPU nanoseconds per key (memory: private bytes per entry). A wrong answer
// ends the program. boost.cpp and abseil.cpp instantiate it.

#pragma once

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace peer {

constexpr int64_t kMissing = -1;
constexpr int64_t kBuilt = 300'000;  // keys built at least, as in peers/worker.py
constexpr int kRuns = 3;             // of single inserts, as in latency.py

inline int64_t now(clockid_t clock = CLOCK_PROCESS_CPUTIME_ID) {
    timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1'000'000'000) + t.tv_nsec;
}

// Private memory of this process in bytes (USS).
inline int64_t private_bytes() {
    std::ifstream file("/proc/self/smaps_rollup");
    std::string line;
    int64_t kib = 0;
    while (std::getline(file, line))
        if (line.rfind("Private_", 0) == 0) kib += std::atoll(line.c_str() + line.find(':') + 1);
    return kib * 1024;
}

[[noreturn]] inline void fail(const char *what) {
    std::fprintf(stderr, "wrong answers: %s\n", what);
    std::exit(1);
}

template <class Key>
std::vector<Key> read(std::ifstream &file) {
    static_assert(sizeof(Key) == 8);
    int64_t n = 0;
    file.read(reinterpret_cast<char *>(&n), 8);
    std::vector<Key> words(n);
    file.read(reinterpret_cast<char *>(words.data()), 8 * n);
    if (!file) fail("the file ends early");
    return words;
}

// Into room that is there already: what memory for answers costs is not the map's.
template <class Map, class Key>
void look_up(const Map &map, const std::vector<Key> &keys, std::vector<int64_t> &answers) {
    for (size_t i = 0; i < keys.size(); i++) {
        auto found = map.find(keys[i]);
        answers[i] = found == map.end() ? kMissing : found->second;
    }
}

template <class Map, class Key>
Map build(const std::vector<Key> &keys, bool sized) {
    Map map;
    if (sized) map.reserve(keys.size());
    for (size_t i = 0; i < keys.size(); i++) map[keys[i]] = i;
    return map;
}

// The largest CPU time of one insert, growing from empty: of three equal runs, each insert's least time.
template <class Map, class Key>
int64_t worst_insert(const std::vector<Key> &keys) {
    std::vector<int64_t> least(keys.size(), INT64_MAX);
    for (int run = 0; run < kRuns; run++) {
        Map map;
        for (size_t i = 0; i < keys.size(); i++) {
            int64_t began = now(CLOCK_THREAD_CPUTIME_ID);
            map[keys[i]] = i;
            least[i] = std::min(least[i], now(CLOCK_THREAD_CPUTIME_ID) - began);
        }
    }
    return *std::max_element(least.begin(), least.end());
}

template <class Map, class Key>
void measure(std::ifstream &file, const std::string &operations) {
    auto keys = read<Key>(file), hits = read<Key>(file);
    auto hit_answers = read<int64_t>(file);
    auto misses = read<Key>(file), mixed = read<Key>(file);
    auto mixed_answers = read<int64_t>(file);
    auto deleted = read<Key>(file), stream = read<Key>(file), draws = read<Key>(file);
    auto distinct = read<int64_t>(file);
    std::vector<int64_t> miss_answers(misses.size(), kMissing);
    const int64_t size = keys.size(), rounds = std::max<int64_t>(1, kBuilt / size);

    std::ostringstream measured;
    std::istringstream names(operations);
    std::string name;
    Map table;
    auto fresh = [&] {
        if (table.empty()) table = build<Map>(keys, false);
    };
    while (std::getline(names, name, ',')) {
        std::printf("{\"now\": \"%s\"%s}\n", name.c_str(), measured.str().c_str());
        std::fflush(stdout);
        double taken = 0;
        int64_t of = size * rounds, began;
        if (name == "memory") {
            int64_t before = private_bytes();
            table = build<Map>(keys, false);
            taken = private_bytes() - before, of = size;
        } else if (name == "worst") {
            taken = worst_insert<Map>(keys), of = 1;
        } else if (name == "build" || name == "sized") {
            std::vector<Map> built(rounds);
            began = now();
            for (auto &map : built) map = build<Map>(keys, name == "sized");
            taken = now() - began;
            if (static_cast<int64_t>(built.back().size()) != size) fail("build");
        } else if (name == "hit" || name == "miss" || name == "mixed") {
            fresh();
            const auto &asked = name == "hit" ? hits : name == "miss" ? misses : mixed;
            const auto &right = name == "hit" ? hit_answers : name == "miss" ? miss_answers : mixed_answers;
            std::vector<int64_t> answers(asked.size());
            look_up(table, asked, answers);
            if (answers != right) fail(name.c_str());
            std::fill(answers.begin(), answers.end(), 0);
            began = now();
            look_up(table, asked, answers);
            taken = now() - began, of = asked.size();
            if (answers != right) fail(name.c_str());
        } else if (name == "iterate") {
            fresh();
            std::vector<Key> out(size);
            std::vector<int64_t> values(size);
            began = now();
            for (int64_t round = 0; round < rounds; round++) {
                size_t i = 0;
                for (const auto &[key, value] : table) out[i] = key, values[i++] = value;
            }
            taken = now() - began;
            for (int64_t i = 0; i < size; i++)
                if (keys[values[i]] != out[i]) fail("iterate");
        } else if (name == "delete") {
            std::vector<Map> built(rounds);
            for (auto &map : built) map = build<Map>(keys, false);
            began = now();
            for (auto &map : built)
                for (auto key : deleted) map.erase(key);
            taken = now() - began, of = std::max<int64_t>(1, deleted.size()) * rounds;
            if (built.back().size() != size - deleted.size()) fail("delete");
        } else if (name == "accumulate") {
            began = now();
            Map counts;
            for (auto key : stream) counts[key]++;
            taken = now() - began, of = stream.size();
            int64_t sum = 0;
            for (const auto &[key, count] : counts) sum += count;
            if (sum != of || static_cast<int64_t>(counts.size()) != distinct[0]) fail("accumulate");
        } else if (name == "factorize") {
            std::vector<int64_t> codes(draws.size());
            began = now();
            Map seen;
            for (size_t i = 0; i < draws.size(); i++) codes[i] = seen.try_emplace(draws[i], seen.size()).first->second;
            taken = now() - began, of = draws.size();
            if (*std::max_element(codes.begin(), codes.end()) + 1 != distinct[1]) fail("factorize");
        } else {
            continue;  // not one of ours: a dash
        }
        measured << ", \"" << name << "\": " << taken / of;
    }
    std::printf("{\"now\": \"\"%s}\n", measured.str().c_str());
}

template <template <class> class Map>
int main(int argc, char **argv) {
    if (argc != 4) return 2;
    std::ifstream file(argv[1], std::ios::binary);
    if (std::strcmp(argv[2], "int64") == 0)
        measure<Map<int64_t>, int64_t>(file, argv[3]);
    else
        measure<Map<double>, double>(file, argv[3]);
    return 0;
}

}  // namespace peer
