"""
What an adapter owes those who talk through it, and the defects that it must not have.

Tests say which rows they hold (``holds`` in ``test_adapter``), and a test says that every row is
held. What is missing between the numbers is owed by other parts: metrics, records, reports.
"""

__all__ = ["OWED"]

BEHAVIOURS = {
    1: "it is made with model, voice, instructions, tools, key, role and who speaks first",
    2: "a key given explicitly wins over OPENAI_REALTIME_API_KEY, that over OPENAI_API_KEY",
    5: "repr shows model, voice and role, and never the key",
    6: "its capabilities are stated by the class, and fixed",
    7: "what both sides said last can be read",
    10: "the session is configured whole: formats, turn detection, transcription, voice; no more",
    11: "nothing of a session is left in the next",
    12: "disconnecting twice is once",
    13: "it is a context manager",
    14: "verbs without a session raise, and say which",
    15: "whether it is connected, and whether the other side hung up, can be asked",
    16: "audio is appended whole, at once",
    17: "push to talk, audio is committed and an answer asked for once, when it is listened for",
    18: "a chunk is 24 kHz PCM16 with whole samples; silence of a duration can be made",
    19: "text is an item and a question; a question waits for the response that is active",
    20: "the other side may play the user",
    22: "the agent may speak first, by a bare question",
    23: "an agent that is told to takes a turn, once; one that plays the user doesn't",
    24: "what was said takes the agent's turn with it: one question",
    25: "a commit never waits, a question waits for the active response, and one is kept",
    26: "listening again with nothing said is silence at once, but not before a first answer",
    27: "audio is handed on as it comes",
    28: "beta names are understood, with one warning each",
    29: "transcripts build up from deltas, and the whole one wins",
    30: "what the endpoint understood last is kept",
    31: "a response that was created is active",
    34: "what is no event, or none that is known, is passed over; binary frames hold events too",
    35: "nothing in time is a TimeoutError that says so",
    36: "function calls are put together by call_id, in the shape of chat messages",
    37: "a script can ask which functions were called",
    38: "a call told of twice is one, and the better part of both",
    39: "arguments are kept as they came; a call without an id is none, one without a name is ''",
    40: "an answer is one message, and its calls another in the order of their arrival",
    41: "a call is answered only when the script does",
    42: "calls are those of the last answer; an answer may be calls alone",
    48: "a transcript belongs to one answer",
}

DEFECTS = {
    "D1": "an answer that is ended by silence instead of response.done",
    "D2": "a pause in the delivery that ends an answer, and moves its rest to the next",
    "D3": "a failed or incomplete response that is waited for, its error lost",
    "D4": "a commit, question or transcript that survives the connection",
    "D5": "half duplex: no audio can be sent while an answer is received",
    "D6": "a cancel that comes too late and ends the next turn",
    "D7": "audio of a cancelled answer that is heard",
    "D8": "a connection that closes and takes the audio received with it",
    "D9": "a malformed event that raises something of its own",
    "D10": "a delta of more than a mebibyte that closes the connection",
    "D11": "streaming transcripts that are promised and not there",
    "D12": "an explicit key that loses against the environment",
    "D13": "a host that is fixed, and a model that is not quoted",
    "D16": "a commit that is too short, or an append that is too long, for any endpoint",
    "D17": "an odd byte that is dropped instead of kept for the next delta",
}

OWED = {str(number): what for number, what in BEHAVIOURS.items()} | DEFECTS
