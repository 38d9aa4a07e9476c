def line(sample):
    return f"{sample.section} {sample.server} {sample.names} r{sample.round} " + " ".join(f"{k}={v:.4g}" for k, v in sample.values.items()) + " " + sample.note
def summary(samples): return ""
