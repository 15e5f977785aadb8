// Go's own map in the verb `peers`: the same keys and questions as for the Python libraries, asked in a plain loop.
//
//	PROGRAM FILE KIND OPERATION,OPERATION,...
//
// FILE is what peers/keys.py wrote, KIND int64 or float64. Before each operation, and at the end, a line of JSON says
// which is next and what was measured so far: CPU nanoseconds per key, the collector's share included (memory: private
// bytes per entry). A wrong answer ends the program. Which design the map has depends on the Go that compiles this:
// Swiss tables from 1.24 on, the classic one before.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"unsafe"
)

const (
	missing         = -1
	built           = 300_000 // keys built at least, as in peers/worker.py
	runs            = 3       // of single inserts, as in latency.py
	processCPUClock = 2
	threadCPUClock  = 3
)

func now(clock uintptr) int64 {
	var t syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&t)), 0)
	return t.Nano()
}

// privateBytes is the private memory of this process (USS), after a collection.
func privateBytes() int64 {
	debug.FreeOSMemory()
	text, _ := os.ReadFile("/proc/self/smaps_rollup")
	var sum int64
	for _, line := range strings.Split(string(text), "\n") {
		var kib int64
		if strings.HasPrefix(line, "Private_") {
			fmt.Sscanf(strings.Fields(line)[1], "%d", &kib)
			sum += kib * 1024
		}
	}
	return sum
}

func fail(what string) {
	fmt.Fprintln(os.Stderr, "wrong answers:", what)
	os.Exit(1)
}

func read[T int64 | float64](file *bufio.Reader) []T {
	var n int64
	if binary.Read(file, binary.LittleEndian, &n) != nil {
		fail("the file ends early")
	}
	words := make([]T, n)
	if binary.Read(file, binary.LittleEndian, words) != nil {
		fail("the file ends early")
	}
	return words
}

func equal(a, b []int64) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func measure[K int64 | float64](file *bufio.Reader, operations []string) {
	keys, hits, hitAnswers := read[K](file), read[K](file), read[int64](file)
	misses, mixed, mixedAnswers := read[K](file), read[K](file), read[int64](file)
	deleted, stream, draws, distinct := read[K](file), read[K](file), read[K](file), read[int64](file)
	missAnswers := make([]int64, len(misses))
	for i := range missAnswers {
		missAnswers[i] = missing
	}
	rounds := built / len(keys)
	if rounds == 0 {
		rounds = 1
	}

	build := func(room int) map[K]int64 {
		m := make(map[K]int64, room)
		for i, key := range keys {
			m[key] = int64(i)
		}
		return m
	}
	// Into room that is there already: what memory for answers costs is not the map's.
	lookUp := func(m map[K]int64, asked []K, answers []int64) {
		for i, key := range asked {
			value, ok := m[key]
			if !ok {
				value = missing
			}
			answers[i] = value
		}
	}

	measured := ""
	var table map[K]int64
	fresh := func() {
		if table == nil {
			table = build(0)
		}
	}
	maps := make([]map[K]int64, rounds)
	for _, name := range operations {
		fmt.Printf("{\"now\": \"%s\"%s}\n", name, measured)
		for i := range maps {
			maps[i] = nil
		}
		runtime.GC() // what an operation left is not collected on the next one's time
		taken, of := int64(0), len(keys)*rounds
		var began int64
		switch name {
		case "memory":
			before := privateBytes()
			table = build(0)
			taken, of = privateBytes()-before, len(keys)
			runtime.KeepAlive(table)
		case "worst":
			runtime.LockOSThread()
			least := make([]int64, len(keys))
			for run := 0; run < runs; run++ {
				m := map[K]int64{}
				for i, key := range keys {
					began = now(threadCPUClock)
					m[key] = int64(i)
					if ns := now(threadCPUClock) - began; run == 0 || ns < least[i] {
						least[i] = ns
					}
				}
			}
			for _, ns := range least {
				if ns > taken {
					taken = ns
				}
			}
			of = 1
			runtime.UnlockOSThread()
		case "build", "sized":
			room := 0
			if name == "sized" {
				room = len(keys)
			}
			began = now(processCPUClock)
			for i := range maps {
				maps[i] = build(room)
			}
			taken = now(processCPUClock) - began
			if len(maps[0]) != len(keys) {
				fail(name)
			}
		case "hit", "miss", "mixed":
			fresh()
			asked, right := hits, hitAnswers
			if name == "miss" {
				asked, right = misses, missAnswers
			} else if name == "mixed" {
				asked, right = mixed, mixedAnswers
			}
			answers := make([]int64, len(asked))
			lookUp(table, asked, answers)
			if !equal(answers, right) {
				fail(name)
			}
			for i := range answers {
				answers[i] = 0
			}
			runtime.GC()
			began = now(processCPUClock)
			lookUp(table, asked, answers)
			taken, of = now(processCPUClock)-began, len(asked)
			if !equal(answers, right) {
				fail(name)
			}
		case "iterate":
			fresh()
			out, values := make([]K, len(keys)), make([]int64, len(keys))
			began = now(processCPUClock)
			for round := 0; round < rounds; round++ {
				i := 0
				for key, value := range table {
					out[i], values[i] = key, value
					i++
				}
			}
			taken = now(processCPUClock) - began
			for i := range out {
				if keys[values[i]] != out[i] {
					fail(name)
				}
			}
		case "delete":
			for i := range maps {
				maps[i] = build(0)
			}
			runtime.GC()
			began = now(processCPUClock)
			for _, m := range maps {
				for _, key := range deleted {
					delete(m, key)
				}
			}
			taken, of = now(processCPUClock)-began, len(deleted)*rounds
			if len(maps[0]) != len(keys)-len(deleted) {
				fail(name)
			}
		case "accumulate":
			began = now(processCPUClock)
			counts := map[K]int64{}
			for _, key := range stream {
				counts[key]++
			}
			taken, of = now(processCPUClock)-began, len(stream)
			sum := int64(0)
			for _, count := range counts {
				sum += count
			}
			if sum != int64(of) || int64(len(counts)) != distinct[0] {
				fail(name)
			}
		case "factorize":
			codes := make([]int64, len(draws))
			began = now(processCPUClock)
			seen := map[K]int64{}
			for i, key := range draws {
				code, ok := seen[key]
				if !ok {
					code = int64(len(seen))
					seen[key] = code
				}
				codes[i] = code
			}
			taken, of = now(processCPUClock)-began, len(draws)
			if int64(len(seen)) != distinct[1] {
				fail(name)
			}
		default:
			continue
		}
		measured += fmt.Sprintf(", \"%s\": %g", name, float64(taken)/float64(of))
	}
	fmt.Printf("{\"now\": \"\"%s}\n", measured)
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println(runtime.Version())
		return
	}
	opened, err := os.Open(os.Args[1])
	if err != nil {
		fail(err.Error())
	}
	file, operations := bufio.NewReaderSize(opened, 1<<20), strings.Split(os.Args[3], ",")
	if os.Args[2] == "int64" {
		measure[int64](file, operations)
	} else {
		measure[float64](file, operations)
	}
}
