// btcd-bench measures btcd's peer and wire packages over loopback.
//
// It uses only btcd's public API.  Every measurement prints one JSON line with
// the keys that benches/src/report.rs prints for ours.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/btcsuite/btcd/chaincfg/v2"
	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/peer"
	"github.com/btcsuite/btcd/wire/v2"
)

var (
	useV2     = flag.Bool("v2", false, "use the BIP324 transport")
	blockPath = flag.String("block", "", "raw block file")
	cpuProf   = flag.String("cpuprofile", "", "write a CPU profile")
)

// emit prints one figure.  Everything but the four first arguments is optional.
func emit(name, metric string, value float64, unit string, kv ...any) {
	transport := "v1"
	if *useV2 {
		transport = "v2"
	}
	m := map[string]any{"impl": "btcd", "case": name, "transport": transport,
		"metric": metric, "value": value, "unit": unit}
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i].(string)] = kv[i+1]
	}
	b, err := json.Marshal(m)
	check(err)
	fmt.Println(string(b))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func baseCfg(l peer.MessageListeners) *peer.Config {
	svc := wire.SFNodeNetwork | wire.SFNodeWitness
	if *useV2 {
		svc |= wire.SFNodeP2PV2
	}
	return &peer.Config{
		UserAgentName: "bench", UserAgentVersion: "1.0.0",
		ChainParams: &chaincfg.RegressionNetParams, Services: svc,
		TrickleInterval: 10 * time.Second, AllowSelfConns: true,
		UsingV2Conn: *useV2, Listeners: l,
	}
}

// cpu returns user+system seconds of this process.
func cpu() float64 {
	var ru syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &ru))
	return float64(ru.Utime.Sec+ru.Stime.Sec) + float64(ru.Utime.Usec+ru.Stime.Usec)/1e6
}

func mallocs() (uint64, uint64) {
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	return ms.Mallocs, ms.TotalAlloc
}

// server accepts connections and starts an inbound peer on each.
type server struct {
	ln    net.Listener
	peers chan *peer.Peer
}

func listen(addr string, cfg func() *peer.Config, keep bool) *server {
	ln, err := net.Listen("tcp4", addr)
	check(err)
	s := &server{ln: ln, peers: make(chan *peer.Peer, 1<<16)}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p := peer.NewInboundPeer(cfg())
			if keep {
				s.peers <- p
			}
			p.AssociateConnection(c)
		}
	}()
	return s
}

func dial(addr string, cfg *peer.Config) *peer.Peer {
	c, err := net.Dial("tcp4", addr)
	check(err)
	p, err := peer.NewOutboundPeer(cfg, addr)
	check(err)
	p.AssociateConnection(c)
	return p
}

// pair returns a connected (client, server-side) pair after both veracks.
func pair(cl, sl peer.MessageListeners, tune func(*peer.Config)) (*peer.Peer, *peer.Peer) {
	done := make(chan struct{}, 2)
	va := func(p *peer.Peer, m *wire.MsgVerAck) { done <- struct{}{} }
	cl.OnVerAck, sl.OnVerAck = va, va
	s := listen("127.0.0.1:0", func() *peer.Config {
		c := baseCfg(sl)
		if tune != nil {
			tune(c)
		}
		return c
	}, true)
	cc := baseCfg(cl)
	if tune != nil {
		tune(cc)
	}
	for {
		c := dial(s.ln.Addr().String(), cc)
		up := 0
		for up < 2 {
			select {
			case <-done:
				up++
				continue
			case <-c.Done():
			}
			break
		}
		sp := <-s.peers
		if up == 2 {
			s.ln.Close()
			return c, sp
		}
		for len(done) > 0 {
			<-done
		}
	}
}

func handshakes(n, conc int) {
	var waiting sync.Map // client's local address -> chan
	slis := peer.MessageListeners{OnVerAck: func(p *peer.Peer, _ *wire.MsgVerAck) {
		v, _ := waiting.LoadOrStore(p.Addr(), make(chan struct{}, 1))
		v.(chan struct{}) <- struct{}{}
	}}
	s := listen("127.0.0.1:0", func() *peer.Config { return baseCfg(slis) }, false)
	addr := s.ln.Addr().String()
	// Now and then a v2 handshake fails: btcd draws up to 4,095 bytes of garbage
	// and its responder looks at 4,095 positions where 4,096 are needed.
	var failed int64
	one := func() {
		done := make(chan struct{}, 1)
		c, err := net.Dial("tcp4", addr)
		check(err)
		v, _ := waiting.LoadOrStore(c.LocalAddr().String(), make(chan struct{}, 1))
		p, err := peer.NewOutboundPeer(baseCfg(peer.MessageListeners{
			OnVerAck: func(*peer.Peer, *wire.MsgVerAck) { done <- struct{}{} }}), addr)
		check(err)
		p.AssociateConnection(c)
		ok := false
		select {
		case <-done:
			select {
			case <-v.(chan struct{}):
				ok = true
			case <-time.After(2 * time.Second):
			}
		case <-p.Done():
		}
		waiting.Delete(c.LocalAddr().String())
		c.(*net.TCPConn).SetLinger(0)
		p.Disconnect()
		if !ok {
			atomic.AddInt64(&failed, 1)
		}
	}
	for i := 0; i < 50; i++ {
		one()
	}
	a0, b0 := mallocs()
	c0, t0 := cpu(), time.Now()
	var left = int64(n)
	var wg sync.WaitGroup
	for w := 0; w < conc; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for atomic.AddInt64(&left, -1) >= 0 {
				one()
			}
		}()
	}
	wg.Wait()
	d, c1 := time.Since(t0).Seconds(), cpu()
	a1, b1 := mallocs()
	name := "opening/sequential"
	if conc > 1 {
		name = fmt.Sprintf("opening/%d-at-once", conc)
	}
	emit(name, "rate", float64(n)/d, "openings/s", "seconds", d, "n", n, "failed", atomic.LoadInt64(&failed),
		"cpu_us_per_op", (c1-c0)/float64(n)*1e6,
		"allocs_per_op", float64(a1-a0)/float64(n), "bytes_per_op", float64(b1-b0)/float64(n))
	s.ln.Close()
}

func pingpong(n int) {
	pong := make(chan struct{}, 1)
	c, s := pair(peer.MessageListeners{OnPong: func(*peer.Peer, *wire.MsgPong) { pong <- struct{}{} }},
		peer.MessageListeners{}, nil)
	run := func(n int) {
		for i := 0; i < n; i++ {
			c.QueueMessage(wire.NewMsgPing(uint64(i)), nil)
			<-pong
		}
	}
	run(n / 10)
	a0, _ := mallocs()
	c0, t0 := cpu(), time.Now()
	run(n)
	d, c1 := time.Since(t0).Seconds(), cpu()
	a1, _ := mallocs()
	emit("ping", "rate", float64(n)/d, "round trips/s", "seconds", d, "n", n,
		"cpu_us_per_op", (c1-c0)/float64(n)*1e6, "allocs_per_op", float64(a1-a0)/float64(n))
	c.Disconnect()
	s.Disconnect()
}

// flood sends n copies of msg one way with a bounded window and waits for the
// last callback.
func flood(name string, msg wire.Message, n, window, payload int, enc wire.MessageEncoding) {
	var got int64
	step := window / 4
	if step == 0 {
		step = 1
	}
	credit := make(chan struct{}, n/step+8)
	on := func() {
		if g := atomic.AddInt64(&got, 1); g%int64(step) == 0 {
			credit <- struct{}{}
		}
	}
	sl := peer.MessageListeners{
		OnInv:     func(*peer.Peer, *wire.MsgInv) { on() },
		OnTx:      func(*peer.Peer, *wire.MsgTx) { on() },
		OnBlock:   func(*peer.Peer, *wire.MsgBlock, []byte) { on() },
		OnHeaders: func(*peer.Peer, *wire.MsgHeaders) { on() },
		OnAddr:    func(*peer.Peer, *wire.MsgAddr) { on() },
	}
	c, s := pair(peer.MessageListeners{}, sl, func(c *peer.Config) { c.DisableStallHandler = false })
	run := func(n int) {
		n = n / step * step
		base := atomic.LoadInt64(&got)
		for len(credit) > 0 {
			<-credit
		}
		out := 0
		for i := 0; i < n; i++ {
			if i%step == 0 {
				if out >= 4 {
					<-credit
					out--
				}
				out++
			}
			c.QueueMessageWithEncoding(msg, nil, enc)
		}
		for ; out > 0; out-- {
			<-credit
		}
		if atomic.LoadInt64(&got)-base != int64(n) {
			panic("count")
		}
	}
	run(n / 10)
	a0, b0 := mallocs()
	c0, t0 := cpu(), time.Now()
	n = n / step * step
	run(n)
	d, c1 := time.Since(t0).Seconds(), cpu()
	a1, b1 := mallocs()
	emit("flood/"+name, "rate", float64(n)/d, "messages/s", "seconds", d, "n", n,
		"mb_per_s", float64(n)*float64(payload)/d/1e6,
		"cpu_us_per_op", (c1-c0)/float64(n)*1e6,
		"allocs_per_op", float64(a1-a0)/float64(n), "bytes_per_op", float64(b1-b0)/float64(n))
	c.Disconnect()
	s.Disconnect()
}

func inv1() *wire.MsgInv {
	m := wire.NewMsgInv()
	var h chainhash.Hash
	rand.Read(h[:])
	m.AddInvVect(wire.NewInvVect(wire.InvTypeWitnessTx, &h))
	return m
}

// tx250 is a legacy transaction of exactly 250 bytes: one input, two outputs.
func tx250() *wire.MsgTx {
	tx := wire.NewMsgTx(2)
	var h chainhash.Hash
	rand.Read(h[:])
	script := make([]byte, 131)
	rand.Read(script)
	tx.AddTxIn(wire.NewTxIn(wire.NewOutPoint(&h, 1), script, nil))
	for i := 0; i < 2; i++ {
		pk := make([]byte, 25)
		if i == 1 {
			pk = make([]byte, 23-2+1)
		}
		tx.AddTxOut(wire.NewTxOut(12345, pk))
	}
	for tx.SerializeSize() != 250 {
		d := 250 - tx.SerializeSize()
		tx.TxIn[0].SignatureScript = make([]byte, len(tx.TxIn[0].SignatureScript)+d)
	}
	return tx
}

func loadBlock() (*wire.MsgBlock, []byte) {
	raw, err := os.ReadFile(*blockPath)
	check(err)
	var b wire.MsgBlock
	check(b.Deserialize(bytes.NewReader(raw)))
	return &b, raw
}

func headers2000(h wire.BlockHeader) *wire.MsgHeaders {
	m := wire.NewMsgHeaders()
	for i := 0; i < 2000; i++ {
		hh := h
		hh.Nonce = uint32(i)
		check(m.AddBlockHeader(&hh))
	}
	return m
}

func addr1000() *wire.MsgAddr {
	m := wire.NewMsgAddr()
	for i := 0; i < 1000; i++ {
		check(m.AddAddress(wire.NewNetAddressTimestamp(time.Unix(1700000000, 0), 1,
			net.IPv4(10, 0, byte(i>>8), byte(i)), 8333)))
	}
	return m
}

// relay queues invs distinct inventory vectors to each of np connected peers.
func relay(np, invs int, trickle time.Duration) {
	var got int64
	total := int64(np) * int64(invs)
	fin := make(chan struct{}, 1)
	vs := make(chan struct{}, 2*np)
	va := func(*peer.Peer, *wire.MsgVerAck) { vs <- struct{}{} }
	cl := peer.MessageListeners{OnVerAck: va, OnInv: func(_ *peer.Peer, m *wire.MsgInv) {
		if atomic.AddInt64(&got, int64(len(m.InvList))) == total {
			fin <- struct{}{}
		}
	}}
	mk := func(l peer.MessageListeners) *peer.Config {
		c := baseCfg(l)
		c.TrickleInterval = trickle
		return c
	}
	s := listen("127.0.0.1:0", func() *peer.Config { return mk(peer.MessageListeners{OnVerAck: va}) }, true)
	for i := 0; i < np; i++ {
		c := mk(cl)
		c.TrickleInterval = 10 * time.Second
		dial(s.ln.Addr().String(), c)
	}
	for i := 0; i < 2*np; i++ {
		<-vs
	}
	var senders []*peer.Peer
	for i := 0; i < np; i++ {
		senders = append(senders, <-s.peers)
	}
	ivs := make([]*wire.InvVect, invs)
	for i := range ivs {
		var h chainhash.Hash
		rand.Read(h[:])
		ivs[i] = wire.NewInvVect(wire.InvTypeWitnessTx, &h)
	}
	a0, b0 := mallocs()
	c0, t0 := cpu(), time.Now()
	for _, iv := range ivs {
		for _, p := range senders {
			p.QueueInventory(iv)
		}
	}
	q := time.Since(t0).Seconds()
	<-fin
	d, c1 := time.Since(t0).Seconds(), cpu()
	a1, b1 := mallocs()
	emit("fanout/announce", "rate", float64(total)/d, "entries/s", "peers", np, "entries", invs,
		"seconds", d, "queueing_seconds", q, "cpu_us_per_op", (c1-c0)/float64(total)*1e6,
		"allocs_per_op", float64(a1-a0)/float64(total), "bytes_per_op", float64(b1-b0)/float64(total))
}

func main() {
	flag.Parse()
	a := flag.Args()
	if len(a) == 0 {
		fmt.Fprintln(os.Stderr, "usage: btcd-bench [-v2] [-block F] [-cpuprofile F] handshake N CONC | pingpong N | inv N | tx N | blk N | relay PEERS INVS TRICKLE_MS | codec | idle-server ADDR | idle-client ADDR N")
		os.Exit(2)
	}
	num := func(i int) int { v, err := strconv.Atoi(a[i]); check(err); return v }
	if *cpuProf != "" {
		f, err := os.Create(*cpuProf)
		check(err)
		check(pprof.StartCPUProfile(f))
		defer pprof.StopCPUProfile()
	}
	switch a[0] {
	case "handshake":
		handshakes(num(1), num(2))
	case "pingpong":
		pingpong(num(1))
	case "inv":
		flood("inv", inv1(), num(1), 4096, 37, wire.BaseEncoding)
	case "tx":
		flood("tx", tx250(), num(1), 4096, 250, wire.WitnessEncoding)
	case "blk":
		b, raw := loadBlock()
		flood("block", b, num(1), 4, len(raw), wire.WitnessEncoding)
	case "headers":
		b, _ := loadBlock()
		flood("headers", headers2000(b.Header), num(1), 16, 2000*81+3, wire.BaseEncoding)
	case "addr":
		flood("addr", addr1000(), num(1), 32, 30003, wire.BaseEncoding)
	case "relay":
		relay(num(1), num(2), time.Duration(num(3))*time.Millisecond)
	case "codec":
		testing.Init()
		check(flag.Set("test.benchtime", "0.1s"))
		codec()
	case "idle-server":
		idleServer(a[1])
	case "idle-client":
		idleClient(a[1], num(2))
	default:
		panic(a[0])
	}
}
