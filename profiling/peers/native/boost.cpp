// boost::unordered_flat_map; see flat_map.hpp.

#include <boost/unordered/unordered_flat_map.hpp>

#include "flat_map.hpp"

template <class Key>
using Map = boost::unordered_flat_map<Key, int64_t>;

int main(int argc, char **argv) { return peer::main<Map>(argc, argv); }
