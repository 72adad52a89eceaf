"""What the intake has the broker do in one step: scripts in Lua."""

# An entry can have any size, and no command tells it before it is read. So they are counted where they are: entries are
# taken until they have so many bytes together, and the last one is the only one that can be large. A stream that is
# refused is told when nothing was taken before it: else what was taken would be lost to its reader.
TAKE = """
local taken, bytes, any = {}, 0, false
for place, stream in ipairs(KEYS) do
    taken[place] = {}
    while #taken[place] < tonumber(ARGV[3]) and bytes < tonumber(ARGV[4]) do
        local answer = redis.pcall('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1, 'STREAMS', stream, '>')
        if answer and answer.err and not any then return answer end
        if not answer or answer.err then break end
        any = true
        local entry = answer[1][2][1]
        for _, text in ipairs(entry[2]) do bytes = bytes + #text end
        table.insert(taken[place], entry)
    end
end
return taken
"""

# Arguments: the group, who asks, the idle time in ms from which one is gone, and the most that are deleted at once.
FORGET = """
local gone = 0
for _, told in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local consumer = {}
    for i = 1, #told, 2 do consumer[told[i]] = told[i + 1] end
    if consumer.name ~= ARGV[2] and consumer.pending == 0 and consumer.idle >= tonumber(ARGV[3])
        and gone < tonumber(ARGV[4]) then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
        gone = gone + 1
    end
end
return gone
"""
