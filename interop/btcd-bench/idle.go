package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/btcsuite/btcd/peer"
	"github.com/btcsuite/btcd/wire/v2"
)

func rss(pid int) (kb int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(err)
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, "VmRSS:") {
			kb, _ = strconv.Atoi(strings.Fields(l)[1])
		}
	}
	return
}

// idleSide prints "ready <n>" and then, on each line read from stdin, its RSS
// (after a forced GC and scavenge) and CPU seconds.
func idleServer(addr string) {
	var n int64
	l := peer.MessageListeners{OnVerAck: func(*peer.Peer, *wire.MsgVerAck) { atomic.AddInt64(&n, 1) }}
	s := listen(addr, func() *peer.Config { return baseCfg(l) }, true)
	fmt.Println("listening", s.ln.Addr())
	report(&n)
}

func idleClient(addr string, n int) {
	var up int64
	l := peer.MessageListeners{OnVerAck: func(*peer.Peer, *wire.MsgVerAck) { atomic.AddInt64(&up, 1) }}
	peers := make([]*peer.Peer, 0, n)
	for i := 0; i < n; i++ {
		peers = append(peers, dial(addr, baseCfg(l)))
		for int64(i)-atomic.LoadInt64(&up) > 100 {
			time.Sleep(time.Millisecond)
		}
	}
	fmt.Println("dialed", len(peers))
	report(&up)
	runtime.KeepAlive(peers)
}

func report(n *int64) {
	var line string
	for {
		if _, err := fmt.Scanln(&line); err != nil {
			return
		}
		raw := rss(os.Getpid())
		var ms runtime.MemStats
		if line == "gc" {
			runtime.GC()
			debug.FreeOSMemory()
		}
		runtime.ReadMemStats(&ms)
		fmt.Printf("{\"impl\":\"btcd\",\"peers\":%d,\"rss_kb_raw\":%d,\"rss_kb\":%d,\"cpu_s\":%.6f,\"heap_kb\":%d,\"stack_kb\":%d,\"goroutines\":%d}\n",
			atomic.LoadInt64(n), raw, rss(os.Getpid()), cpu(), ms.HeapAlloc>>10, ms.StackInuse>>10, runtime.NumGoroutine())
	}
}
