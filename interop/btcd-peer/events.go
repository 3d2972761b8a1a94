package main

import (
	"encoding/json"
	"fmt"

	"github.com/btcsuite/btcd/wire/v2"
)

type fields map[string]any

// emit prints one event.  A map is marshalled with sorted keys, so equal events
// give equal lines.
func (n *node) emit(event string, f fields) {
	if f == nil {
		f = fields{}
	}
	f["event"] = event
	line, err := json.Marshal(f)
	if err != nil {
		line, _ = json.Marshal(fields{"event": "error", "error": err.Error()})
	}
	n.printing.Lock()
	defer n.printing.Unlock()
	fmt.Println(string(line))
}

func (n *node) report(event string, conn, size int, msg wire.Message, err error) {
	f := fields{"conn": conn, "bytes": size}
	if err != nil {
		f["error"] = err.Error()
		n.emit(event+"_error", f)
		return
	}
	f["command"] = msg.Command()
	describe(msg, f)
	n.emit(event, f)
}

// describe adds what a test may want to compare.
func describe(msg wire.Message, f fields) {
	switch m := msg.(type) {
	case *wire.MsgVersion:
		f["version"], f["services"] = m.ProtocolVersion, uint64(m.Services)
		f["user_agent"], f["height"] = m.UserAgent, m.LastBlock
		f["relay"], f["nonce"] = !m.DisableRelayTx, m.Nonce
	case *wire.MsgPing:
		f["nonce"] = m.Nonce
	case *wire.MsgPong:
		f["nonce"] = m.Nonce
	case *wire.MsgInv:
		f["inventory"] = inventory(m.InvList)
	case *wire.MsgGetData:
		f["inventory"] = inventory(m.InvList)
	case *wire.MsgNotFound:
		f["inventory"] = inventory(m.InvList)
	case *wire.MsgTx:
		f["txid"], f["wtxid"] = m.TxHash().String(), m.WitnessHash().String()
	case *wire.MsgBlock:
		f["hash"], f["count"] = m.BlockHash().String(), len(m.Transactions)
	case *wire.MsgHeaders:
		f["count"] = len(m.Headers)
	case *wire.MsgAddr:
		f["count"] = len(m.AddrList)
	case *wire.MsgAddrV2:
		f["count"] = len(m.AddrList)
	case *wire.MsgFeeFilter:
		f["fee"] = m.MinFee
	case *wire.MsgReject:
		f["rejected"], f["code"], f["reason"] = m.Cmd, m.Code.String(), m.Reason
	}
}

func inventory(list []*wire.InvVect) []string {
	out := make([]string, len(list))
	for i, iv := range list {
		out[i] = iv.Type.String() + " " + iv.Hash.String()
	}
	return out
}
