package main

import (
	"bytes"
	"math/rand"
	"strconv"
	"testing"

	"github.com/btcsuite/btcd/chainhash/v2"
	"github.com/btcsuite/btcd/wire/v2"
)

// codec measures encode and decode through wire's message framing.
func codec() {
	blk, raw := loadBlock()
	inv50k := wire.NewMsgInvSizeHint(50000)
	for i := 0; i < 50000; i++ {
		var h chainhash.Hash
		rand.Read(h[:])
		inv50k.AddInvVect(wire.NewInvVect(wire.InvTypeWitnessTx, &h))
	}
	type tc struct {
		name string
		m    wire.Message
	}
	for _, c := range []tc{{"block", blk}, {"tx", tx250()}, {"inv", inv1()}, {"inv(50000)", inv50k},
		{"headers", headers2000(blk.Header)}, {"addr", addr1000()}, {"ping", wire.NewMsgPing(1)}} {
		var buf bytes.Buffer
		_, err := wire.WriteMessageWithEncodingN(&buf, c.m, wire.AddrV2Version-1, wire.MainNet, wire.WitnessEncoding)
		check(err)
		framed := buf.Bytes()
		payload := framed[24:]
		rec := func(kind string, r testing.BenchmarkResult, n int) {
			ns := float64(r.T.Nanoseconds()) / float64(r.N)
			emit(kind+"/"+c.name, "time", ns, "ns", "bytes", n, "mb_per_s", float64(n)/ns*1e3,
				"allocs_per_op", r.AllocsPerOp(), "bytes_per_op", r.AllocedBytesPerOp())
		}
		// a fresh empty message of the same type, from a decode of its frame
		fresh := func() wire.Message {
			switch c.m.(type) {
			case *wire.MsgBlock:
				return &wire.MsgBlock{}
			case *wire.MsgTx:
				return &wire.MsgTx{}
			case *wire.MsgInv:
				return &wire.MsgInv{}
			case *wire.MsgHeaders:
				return &wire.MsgHeaders{}
			case *wire.MsgAddr:
				return &wire.MsgAddr{}
			}
			return &wire.MsgPing{}
		}
		rec("decode", testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			r := bytes.NewReader(nil)
			for i := 0; i < b.N; i++ {
				r.Reset(payload)
				check(fresh().BtcDecode(r, wire.AddrV2Version-1, wire.WitnessEncoding))
			}
		}), len(payload))
		rec("encode", testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			var w bytes.Buffer
			w.Grow(len(payload) + 64)
			for i := 0; i < b.N; i++ {
				w.Reset()
				check(c.m.BtcEncode(&w, wire.AddrV2Version-1, wire.WitnessEncoding))
			}
		}), len(payload))
		rec("receive", testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			r := bytes.NewReader(nil)
			for i := 0; i < b.N; i++ {
				r.Reset(framed)
				_, _, _, err := wire.ReadMessageWithEncodingN(r, wire.AddrV2Version-1, wire.MainNet, wire.WitnessEncoding)
				check(err)
			}
		}), len(framed))
		rec("send", testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			var w bytes.Buffer
			w.Grow(len(framed) + 64)
			for i := 0; i < b.N; i++ {
				w.Reset()
				_, err := wire.WriteMessageWithEncodingN(&w, c.m, wire.AddrV2Version-1, wire.MainNet, wire.WitnessEncoding)
				check(err)
			}
		}), len(framed))
	}
	for _, n := range []int{32, 64, 250, 1024, 65536, len(raw)} {
		b := raw[:n]
		r := testing.Benchmark(func(tb *testing.B) {
			for i := 0; i < tb.N; i++ {
				chainhash.DoubleHashB(b)
			}
		})
		ns := float64(r.T.Nanoseconds()) / float64(r.N)
		emit("sha256d/"+strconv.Itoa(n), "time", ns, "ns", "bytes", n, "mb_per_s", float64(n)/ns*1e3)
	}
}
