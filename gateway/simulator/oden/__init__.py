"""The Oden stand-in: an Oden API that keeps everything in memory, with faults and manners by order.

A request goes this way: `server` takes its time of arrival; `fault_injection` decides whether a fault strikes it, and
carries that out; `server` checks the token; `model` answers it, by its manners (`manners`) and by the endpoint's own
module; and before the answer leaves, what took effect is in the ledger (`persistence`). A new fault is a row in
`faults`, a new manner one in `manners`, a new endpoint one in `model`.
"""
