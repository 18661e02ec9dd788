"""What columns of texts, of answers and of pairs are usually called, the likeliest first."""

_TEXTS = """
text texts sentence sentences review review_text review_body content comment comment_text body
message tweet document article headline title description abstract question utterance post
"""
_TARGETS = """
label labels target targets class classes category categories sentiment rating ratings score
scores stars topic topics intent emotion emotions tag tags polarity is_spam spam y
"""
_PAIRS = """
source target src tgt trg src_text tgt_text source_text target_text input output text translation
sentence sentence1 sentence2 original reference question answer english german french spanish
italian portuguese dutch russian polish chinese japanese arabic turkish czech ukrainian swedish
hindi korean
"""
TEXT_NAMES = tuple(_TEXTS.split())
TARGET_NAMES = tuple(_TARGETS.split())
PAIR_NAMES = frozenset(_PAIRS.split())
SPLIT_NAMES = ("split", "subset", "partition", "fold_name")
