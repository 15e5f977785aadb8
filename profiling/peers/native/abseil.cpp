// absl::flat_hash_map; see flat_map.hpp.

#include <absl/container/flat_hash_map.h>

#include "flat_map.hpp"

template <class Key>
using Map = absl::flat_hash_map<Key, int64_t>;

int main(int argc, char **argv) { return peer::main<Map>(argc, argv); }
